"""What the demo stories can say: a small grammar of a wish, a friend and something in the way.

A rule maps a symbol to its options, all equally likely. In an option `[animal]` draws from the rule
`animal`, writes the words drawn and remembers them; `{animal}` repeats what is remembered. Three
conditions make the probability of a story exact:

1. Every rule has a power of two of options, so that a choice is a whole number of coin flips.
2. The options of a rule differ in the words before their first draw, and none of these beginnings
   is the start of another: what was chosen can be read from the text.
3. Nothing else is random: names that return, and pronouns, follow from what is already written.

Words are short and lists are shared, so that a vocabulary of 1,024 tokens has one for almost every
word and a story fits 128 tokens.
"""

Rules = dict[str, tuple[str, ...]]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIRLS = _words("Mia Amy Eva Ivy Zoe Meg Sue Kate Lily Anna Rose Ella Nora Lucy Emma Ruby")
_BOYS = _words("Ben Tom Max Sam Leo Jack Tim Finn Theo Hugo Noah Adam Luke Paul Ned Dan")
_GIRL_WORDS = {"she": "she", "She": "She", "Her": "Her", "him": "her"}
_BOY_WORDS = {"she": "he", "She": "He", "Her": "His", "him": "him"}

# Where a thing can be stuck, by the preposition that suits the noun.
_IN, _UNDER = _words("tree well bush hole"), _words("stone log cart root")
_BEHIND, _ON = _words("gate fence wall door"), _words("roof cliff shelf ledge")

IMPLIED: dict[str, dict[str, str]] = {
    **{name: {"name": name, **_GIRL_WORDS} for name in _GIRLS},
    **{name: {"name": name, **_BOY_WORDS} for name in _BOYS},
    **{noun: {"out of the trap": f"out of the {noun}"} for noun in _IN},
    **{noun: {"out of the trap": f"from under the {noun}"} for noun in _UNDER},
    **{noun: {"out of the trap": f"from behind the {noun}"} for noun in _BEHIND},
    **{noun: {"out of the trap": f"off the {noun}"} for noun in _ON},
}
"""What is remembered, besides the word itself, once a word is drawn."""

_COLORS = _words(
    "red blue green gold gray pink white black brown yellow silver purple orange tan teal violet"
)

_WORD_RULES: Rules = {
    "girl": _GIRLS,
    "boy": _BOYS,
    "trait": _words(
        "kind bold shy calm wise glad neat busy lazy silly sweet brave happy quiet merry "
        "young proud funny warm noisy sleepy messy clever gentle jolly polite dreamy bright "
        "cheery nice good tidy"
    ),
    "build": _words(
        "tiny big small tall thin round fast slow strong plump little quick hungry lean short great"
    ),
    "animal": _words(
        "fox cat dog pig hen cow owl elk goat frog duck bear deer lamb seal crab toad swan "
        "mole hare crow mouse pony goose puppy mule wolf otter rat robin kitten bird"
    ),
    "finish": _words(
        "new fine shiny plain smooth nice tiny small big rare bright good light little great round"
    ),
    "color": _COLORS,
    "thing": _words(
        "kite drum ball hat bell lamp cup toy ring boat book coin map mask sled jar coat horn "
        "harp shell fan pen key box bag bow cap mug rug top pot scarf"
    ),
    "weather": _words(
        "sunny windy rainy cloudy misty warm cold bright snowy quiet foggy fresh clear cool "
        "gray hot"
    ),
    "daytime": _words("morning evening day Monday Tuesday Friday Saturday Sunday"),
    "went": _words("walked ran went raced danced sailed drove rode"),
    "place": _words(
        "lake farm park pond barn mill dock shop inn fair camp pier river hill cave bay"
    ),
    "met": _words("saw met passed found fed drew chased counted"),
    "number": _words("two three four five six seven nine ten"),
    "shade": _COLORS,
    "creatures": _words(
        "birds bees bugs ants cows hens mice rats ducks goats frogs cats dogs pigs bats toads"
    ),
    "taste": _words(
        "sweet warm fresh soft cold sour good plain hot fine nice sticky smooth light rich thick"
    ),
    "food": _words(
        "bread pie cake soup cheese rice honey jam toast corn buns stew eggs ham beans fish"
    ),
    "fruit": _words("plums pears nuts figs"),
    "tune": _words(
        "merry silly slow quiet loud happy funny sweet old new short long wild soft jolly clever"
    ),
    "size": _words(
        "big huge dark gray wet wide black green brown white mossy dusty dirty strange heavy round"
    ),
    "in": _IN,
    "under": _UNDER,
    "behind": _BEHIND,
    "on": _ON,
    "loved": ("loved", "had", "knew", "met", "raised", "found", "lived with", "played with"),
    "best": _words("best dear only first good old true new"),
    "often": _words("often always really truly secretly still once now"),
    "wanted": (
        *("wanted", "needed", "wished for", "hoped for"),
        *("longed for", "dreamed of", "asked for", "looked for"),
    ),
    "One": ("One", "That", "The next", "Then one", "Late one", "Early one", "On a", "So one"),
    "saw": _words("saw found spotted noticed"),
    "Oh no": ("Oh no", "Oh dear", "Dear me", "Too bad"),
    "Hooray": _words("Hooray Thanks Wow Yes"),
    "mood": _words(
        "sad tired sorry cross upset lost small weak scared angry gloomy lonely cold hurt blue low"
    ),
    "sighed": _words("said cried sighed moaned"),
    "bravely": _words(
        "slowly gently softly quickly calmly boldly bravely quietly gladly kindly wisely "
        "neatly proudly happily loudly merrily"
    ),
    "pulled": _words("pulled pushed lifted tugged moved shook got took"),
    "strong": _words(
        "long strong thin bent heavy light rusty short thick wet smooth sharp plain tiny "
        "sticky dirty"
    ),
    "tool": _words(
        "rope stick pole hook net chain spoon belt rake fork plank pin wire string nail comb"
    ),
    "shouted": _words("said cried called sang"),
    "hugged": _words("hugged kissed thanked patted praised tickled stroked held"),
    "happily": _words(
        "happily loudly softly warmly gently sweetly proudly merrily gladly kindly quietly "
        "calmly boldly bravely brightly slowly"
    ),
}

_SENTENCE_RULES: Rules = {
    "story": (
        "[opening] [friend] [wish] [journey] [sight] "
        "[problem] [despair] [rescue] [thanks] [ending]",
    ),
    "opening": (
        "Once upon a time there was a [trait] [child].",
        "Once there was a [build], [trait] [child].",
        "There once was a [build], [trait] [child].",
        "Long ago lived a [build], [trait] [child].",
        "Far away lived a [build], [trait] [child].",
        "In a town lived a [build], [trait] [child].",
        "By the sea lived a [build], [trait] [child].",
        "On a hill lived a [build], [trait] [child].",
    ),
    "child": ("girl named [girl]", "boy named [boy]"),
    "friend": (
        "{Her} [best] friend was a [build], [trait] [animal].",
        "{She} [loved] a [build], [trait] [animal].",
    ),
    "wish": (
        "{name} [often] [wanted] a [finish] [color] [thing].",
        "They [often] [wanted] a [finish] [color] [thing].",
    ),
    "journey": ("[One] [weather] [daytime] [they] [went] to the [place].",),
    "they": ("they", "{name} and the {animal}"),
    "sight": (
        "They [met] [number] [shade] [creatures].",
        "{name} [met] [number] [shade] [creatures].",
        "Then the {animal} [met] [number] [shade] [creatures].",
        "Together they sang of [number] [shade] [creatures].",
        "First they ate [taste] [food] and [taste] [fruit].",
        "The {animal} ate [taste] [food] and [taste] [fruit].",
        "At noon {name} had [taste] [food] and [taste] [fruit].",
        "With them came [number] [shade] [creatures].",
    ),
    "problem": (
        "Soon they [saw] the {color} {thing} [trap].",
        "Then they [saw] the {color} {thing} [trap].",
        "There {name} [saw] the {color} {thing} [trap].",
        "The {animal} [saw] the {color} {thing} [trap].",
        "But the {color} {thing} was [trap].",
        "Oh dear! The {color} {thing} was [trap].",
        "They found the {color} {thing}, but it was [trap].",
        '"Look!" said the {animal}. The {color} {thing} was [trap].',
    ),
    "trap": (
        "in a [size] [in]",
        "under a [size] [under]",
        "behind a [size] [behind]",
        "on a [size] [on]",
    ),
    "despair": (
        '"[Oh no]," [sighed] {name}.',
        '{name} [sighed], "I am so [mood]."',
        "Poor {name} felt [mood].",
        "How [mood] {name} was!",
    ),
    "rescue": (
        "With a [strong] [tool] the {animal} [bravely] [pulled] the {thing} {out of the trap}.",
        "So with a [strong] [tool] they [bravely] [pulled] it {out of the trap}.",
        "But the {animal} [bravely] [pulled] it free with a [strong] [tool].",
        "Then the {animal} took a [strong] [tool] and [pulled] the {thing} {out of the trap}.",
    ),
    "thanks": (
        '"[Hooray]!" [shouted] {name} and [hugged] the [trait] {animal} [happily].',
        '{She} [shouted], "You are so [trait]!" and [hugged] the {animal} [happily].',
        "{name} [hugged] the [trait] {animal} [happily].",
        "The [trait] {animal} danced, and {name} sang [happily].",
    ),
    "ending": (
        "That night they [happily] [played] with the {color} {thing}.",
        "Back home {name} and the {animal} [happily] [played].",
        "They left the {place} with the {thing} and [happily] [played].",
        "Every [daytime] they [happily] [played] at the {place}.",
        "With the {color} {thing} they [happily] [played] at home.",
        "Then {name} left the {place} and [happily] [played].",
        "They took the {color} {thing} home and [happily] [played].",
        "All [daytime] they [happily] [played] at the {place}.",
    ),
    "played": (
        "sang [tune] songs",
        "told [tune] tales",
        "read [tune] books",
        "played [tune] games",
        "baked [taste] bread",
        "made [taste] soup",
        "drank [taste] tea",
        "ate [taste] [food]",
    ),
}

RULES: Rules = _WORD_RULES | _SENTENCE_RULES
"""Every symbol's options, roughly in the order of a story; a story is one draw of `story`."""
