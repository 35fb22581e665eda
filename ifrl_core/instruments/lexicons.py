"""Words that instruments count, in lower case. English."""


def listed(*lines: str) -> frozenset[str]:
    """The words of some lines."""
    return frozenset(word for line in lines for word in line.split())


I = listed("i me my mine myself i'm i've i'd i'll")  # noqa: E741
HEDGES = listed(
    "apparently appears arguably believe could depending depends generally guess likely may maybe might often",
    "partly perhaps possible possibly probably roughly seem seems sometimes somewhat suggest suggests tend",
    "tends typically uncertain unclear unsure usually",
)
BOOSTERS = listed(
    "absolutely always best certain certainly clear clearly definitely essential ever every guarantee must",
    "never obviously proven recommend strongly surely undoubtedly will without",
)
STIFF = listed(
    "accordance accordingly additionally advised aforementioned appropriate assist authorized commence",
    "concerning consequently constitutes demonstrate endeavor ensure facilitate furthermore hence hereby",
    "herein however indicate kindly moreover must notwithstanding obtain please prohibited provided pursuant",
    "regarding request require residents respectfully shall sincerely subsequently sufficient thereby",
    "therefore thus upon utilize whereas",
)
LOOSE = listed(
    "awesome buddy chill cool crazy dude folks fun gonna gotta great guess guy guys hey hi huh i i'm kid kids",
    "kinda like lol lot lots me my nah oh ok okay pretty really so sorta stuff super sure thing things totally",
    "wanna we're well wow yeah yep yes you you're your",
)
SENSES = {
    "smell": listed(
        "aroma aromas fragrance fragrant incense musty nose odor perfume pungent reek scent scented scents smell",
        "smelled smelling smells smelly smoky sniff stench stink whiff",
    ),
    "touch": listed(
        "bumpy coarse cold cool damp feel feels felt fingers fingertips fuzzy grainy gritty prickly rough silky",
        "skin slippery smooth soft softness sticky texture touch touched velvet velvety warm warmth wet",
    ),
    "hearing": listed(
        "buzz buzzing chirp clang click crackle creak echo echoes hear heard hiss hum hush laughter listen loud",
        "melody murmur noise quiet ring ringing roar rustle silence sizzle song sound sounds thunder whisper",
        "whispers whistle",
    ),
    "taste": listed(
        "bite bitter bland delicious flavor flavors juicy mouth palate salty savor savory sour spicy sugary sweet",
        "sweetness tang tangy tart taste tasted tastes tasty tongue zesty",
    ),
    "sight": listed(
        "blue bright brilliant color colorful colors dark dim eyes gaze gleam glimmer glint glisten glow golden",
        "gray green light look looked looks pale red saw see seen shadow shadows shimmer shine shining sparkle",
        "view watch white yellow",
    ),
}
