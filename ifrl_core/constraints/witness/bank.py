"""The bank: natural, short sentences without any mark inside, and words by property, of which witnesses are made."""

import re

_ENGLISH = """
A good day starts with a walk | All of us like warm bread | And then we go home | After lunch we rest
Birds sing in the tall tree | Bread and milk are on the table | By noon the rain is over | Big ships cross the sea
Children play near the river | Clear water runs down the hill | Cats sleep all day | Come and see the town
Dogs run in the park | Dinner is on the table | Deep snow covers the road | Down the street there is a shop
Every child likes a story | Each day brings a new idea | Even small steps help | Early birds sing first
Fresh air is good for people | Friends meet at the lake | Fish swim in the pond | Fires keep the house warm
Go to the lake and rest | Good food makes people happy | Green fields are a fine sight | Gold leaves fall in autumn
He reads a book at night | Her house is near the sea | Home is where the heart is | Hills rise behind the town
In spring the garden is green | It is a fine day | Ice melts in the sun | Islands are far away
Join the club and have fun | Just look at the sky | Jam goes well with bread | Joy is all around
Keep the door open | Kind words cost nothing | Kites fly high in the wind | Kids love the beach
Light fills the room | Long walks clear the mind | Lakes are cold in winter | Look at the stars
Many people love music | Most days are calm | Milk is in the kitchen | Music fills the hall
New ideas come at night | Night falls on the town | No one is in a hurry | Now the work is done
Old trees give shade | One step follows another | Our town has a small park | Open the window and look out
People smile in the street | Plants need light and water | Paths lead to the lake | Paper boats float well
Quiet nights help people sleep | Quick steps lead home | Queens lived in this castle | Quite a few birds are here
Rain falls on the roof | Rivers run to the sea | Red roses grow here | Rest is good for you
She likes to read | Snow falls at night | Small things matter | Stars shine in the dark
The sun is warm | The sea is calm | The day is long | They walk to the market | The old man smiles
Under the tree it is cool | Up on the hill is a house | Use the time well | Until noon it is cold
Very few people know the place | Visit the garden in May | Voices fill the hall | Vines grow on the wall
We walk home | Water is clear | Wind moves the leaves | We like tea | We go out and see the town
Xylophones sound bright | Xavier has a red boat
You can see the sea | Young birds learn to fly | Yes it is a fine day | You know the way
Zebras live far away | Zoos are full of noise | Zest for life helps
"""

_OTHER = {
    "de": """Die Sonne scheint heute warm | Wir gehen nach Hause und lesen ein Buch | Das Wasser im Fluss ist kalt
        Der alte Mann sitzt gern im Garten | Kinder spielen am See und lachen | Es ist ein guter Tag für uns
        Ich trinke am Morgen eine Tasse Tee | Viele Leute lieben die Musik""",
    "es": """El sol brilla hoy en el cielo | Vamos a casa para leer un libro | El agua del río está muy fría
        Los niños juegan cerca del lago | Hoy es un buen día para todos | La gente camina por la calle con calma
        Me gusta tomar café por la mañana | El viejo árbol da mucha sombra""",
    "fr": """Le soleil brille dans le ciel | Nous allons à la maison pour lire un livre | Les enfants jouent au bord du lac
        La rivière est très froide ce matin | Il fait beau et tout le monde est heureux | Une tasse de thé est sur la table
        Les gens aiment beaucoup la musique | Le vieil arbre donne de la fraîcheur""",
    "it": """Il sole splende nel cielo | Andiamo a casa per leggere un libro | I bambini giocano vicino al lago
        Oggi è una bella giornata per tutti | La gente cammina per la strada con calma | Il vecchio albero dà molta ombra
        Mi piace bere il caffè la mattina | Le stelle brillano nella notte""",
    "pt": """O sol brilha hoje no céu | Vamos para casa ler um livro | As crianças brincam perto do lago
        Hoje é um bom dia para todos nós | As pessoas caminham pela rua com calma | A velha árvore dá muita sombra
        Eu gosto de tomar café pela manhã | As estrelas não param de brilhar à noite""",
}


def _split(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in re.split(r"[|\n]", text) if part.strip())


SENTENCES: dict[str, tuple[str, ...]] = {
    "en": _split(_ENGLISH),
    **{code: _split(text) for code, text in _OTHER.items()},
}

# Short words for when no whole sentence passes: fixed counts of words, bans of letters, very short words.
SMALL_WORDS: tuple[str, ...] = tuple(
    "so now then here too and us it go see we can sun sea day fun joy hill tree lake bird fish book song".split()  # noqa: SIM905
)

# Words by property, for the types that ask for some.
LONG_WORDS = ("understanding", "responsibility", "extraordinary", "communication", "neighborhood", "imagination",
              "independence", "environmental", "international", "recommendation")  # fmt: skip
HYPHENATED_WORDS = ("well-known", "long-term", "part-time", "old-fashioned", "warm-hearted", "easy-going", "self-made",
                    "full-time")  # fmt: skip
WORDS_ENDING_IN = {
    "ing": ("walking", "singing", "reading", "cooking", "learning", "growing"),
    "ly": ("slowly", "kindly", "calmly", "quickly", "gladly", "softly"),
    "ed": ("walked", "helped", "planted", "needed", "painted", "rested"),
    "tion": ("nation", "station", "action", "motion", "lotion", "section"),
    "ness": ("kindness", "darkness", "sadness", "illness", "fitness", "wellness"),
    "ful": ("useful", "helpful", "careful", "joyful", "hopeful", "peaceful"),
}
WORDS_STARTING_WITH = {
    "a": "apple", "b": "boat", "c": "calm", "d": "door", "e": "earth", "f": "farm", "g": "garden", "h": "home",
    "i": "idea", "j": "joy", "k": "kite", "l": "lake", "m": "moon", "n": "night", "o": "ocean", "p": "path", "q": "quiet",
    "r": "river", "s": "star", "t": "tree", "u": "under", "v": "village", "w": "wind", "x": "xylophone", "y": "year",
    "z": "zebra",
}  # fmt: skip
PALINDROMES = ("Never odd or even", "Was it a car or a cat I saw", "Step on no pets", "Too bad I hid a boot",
               "Do geese see God", "Top spot")  # fmt: skip
SCRIPT_WORDS = {
    "Greek": "φως",
    "Cyrillic": "мир",
    "Hebrew": "אור",
    "Arabic": "سلام",
    "Hangul": "빛",
    "Devanagari": "शांति",
}
