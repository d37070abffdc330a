//! How units of work are shared among threads: handed out in order, and with the first error kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::Error;

/// Run `work` on every unit, on `num_threads` threads (0: one for each core), each with a state of
/// its own, and return those states.
///
/// Units are numbered and handed out in order. After a failure no more are; those in progress are
/// finished, so that of several errors the one of the first unit is returned, whatever the timing.
/// The threads live only as long as this call: nothing is left that a fork could break.
pub(crate) fn share_work<U, S, I>(
    units: I,
    num_threads: usize,
    new_state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, U) -> Result<(), Error> + Sync,
) -> Result<Vec<S>, Error>
where
    I: Iterator<Item = Result<U, Error>> + Send,
    S: Send,
{
    let queue = Mutex::new(Queue {
        units,
        handed_out: 0,
        failure: None,
    });
    let run = || {
        let mut state = new_state();
        loop {
            // A statement of its own, so that the lock is free again while the unit is worked on.
            let next = lock(&queue).next_unit();
            let Some((number, unit)) = next else { break };
            if let Err(error) = work(&mut state, number, unit) {
                lock(&queue).fail(number, error);
            }
        }
        state
    };
    let num_threads = match num_threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    let states = if num_threads == 1 {
        vec![run()]
    } else {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..num_threads).map(|_| scope.spawn(run)).collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    };
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    queue.failure.map_or(Ok(states), |(_, error)| Err(error))
}

struct Queue<I> {
    units: I,
    handed_out: usize,
    failure: Option<(usize, Error)>,
}

impl<U, I: Iterator<Item = Result<U, Error>>> Queue<I> {
    fn next_unit(&mut self) -> Option<(usize, U)> {
        if self.failure.is_some() {
            return None;
        }
        let number = self.handed_out;
        self.handed_out += 1;
        match self.units.next()? {
            Ok(unit) => Some((number, unit)),
            Err(error) => {
                self.fail(number, error);
                None
            }
        }
    }

    fn fail(&mut self, number: usize, error: Error) {
        if self
            .failure
            .as_ref()
            .is_none_or(|(first, _)| number < *first)
        {
            self.failure = Some((number, error));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_worked_on_once() {
        for num_threads in [0, 1, 5] {
            let units = (0_u64..1000).map(Ok);
            let sums = share_work(
                units,
                num_threads,
                || 0,
                |sum, number, unit| {
                    assert_eq!(number as u64, unit);
                    *sum += unit;
                    Ok(())
                },
            );
            assert_eq!(sums.expect("no unit fails").iter().sum::<u64>(), 499_500);
        }
    }

    #[test]
    fn the_error_of_the_first_unit_is_returned() {
        for _ in 0..50 {
            let units = (0_u32..100).map(Ok);
            let result = share_work(
                units,
                4,
                || (),
                |(), _, unit| {
                    if unit < 40 {
                        Ok(())
                    } else {
                        Err(Error::EmptyToken { id: unit })
                    }
                },
            );
            assert!(matches!(result, Err(Error::EmptyToken { id: 40 })));
        }
    }
}
