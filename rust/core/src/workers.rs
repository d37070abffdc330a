//! How units of work are shared among threads: handed out in order, and with the first error kept.

use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::Error;

/// More threads than this are never started, whatever is asked for.
const MOST_THREADS: usize = 256;

/// Run `work` on every unit as `share_work` does, and return what it makes of each, in order.
pub(crate) fn map_in_order<U, T, S, I>(
    units: I,
    num_threads: usize,
    new_state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, U) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error>
where
    I: Iterator<Item = Result<U, Error>> + Send,
    S: Send,
    T: Send,
{
    let states = share_work(
        units,
        num_threads,
        || (new_state(), Vec::new()),
        |(state, done), number, unit| {
            done.push((number, work(state, unit)?));
            Ok(())
        },
    )?;
    let mut results: Vec<(usize, T)> = states.into_iter().flat_map(|(_, done)| done).collect();
    results.sort_unstable_by_key(|&(number, _)| number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

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
        given => given.min(MOST_THREADS),
    };
    let states = if num_threads == 1 {
        vec![run()]
    } else {
        thread::scope(|scope| {
            // A system that gives no more threads still gets the work done, by those it gave.
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, run).ok();
            let threads: Vec<_> = (1..num_threads).map_while(spawn).collect();
            let own = run();
            let others = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            iter::once(own).chain(others).collect()
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
