"""Words that say nothing of a task: function words, and words of asking ("write", "explain", "sentence").

Of a language they are what a text without its topic is made of, so they also tell languages of one script apart.
Scripts without spaces have the pieces that are cut out of a text before the rest counts as content.
"""

_EN = """
    add all and any are ask big but can day did etc few for get got had has her him his how its let lot may new
    nor not now off old one our out own per put say see set she ten the too try two use was way who why yes yet
    you about above after again against also although always among another answer anyone anything around away
    back because been before being below best better between beyond both brief briefly came come compose could
    create describe detail does doing done down draft each either else even ever every everyone example examples
    explain find first from further gave general generate getting give given gives goes going good great have
    having help here hers idea ideas imagine include including instead into just keep kind kinds know last least
    less like line lines list little long longer look made make makes making many might mine more most much must
    myself name names need needs never next nothing once only other others ours over paragraph paragraphs people
    person please propose provide quite rather reader really response same sentence sentences several shall
    short should simple since small some someone something still such suggest summarise summarize tell text than
    that their them themselves then there these they thing things think this those three through time tips
    together took topic toward under until upon used uses using very want wants well were what when where
    whether which while whole whom whose will with within without word words would write writing yours yourself
"""

_SHORT_EN = "a an as at be by do he i if in is it me my no of on or so to up us we"

_DE = """
    aber als am an auch auf aus bei beschreibe beschreiben bitte das dass dem den der des die diese dieser
    dieses du durch ein eine einem einen einer eines er erkläre erklären es für gib haben hat ich ihr im in ist
    kein keine kurz kurze kurzen man mehr mit nach nenne nicht noch nur oder ohne satz sätze sätzen schon
    schreib schreibe schreiben sehr sich sie sind so text über und unter vom von war waren warum was weil wenn
    wer werden wie wir wird wo wurde zu zum zur
"""

_FR = """
    au aux avec ce ces cette comme comment court courte dans de des donne du décris décrivez elle elles en est
    et explique expliquez il ils je la le les leur mais ne nous on ou où par pas phrase phrases plus pour
    pourquoi que qui quoi sa sans se ses son sont sur texte très tu un une vous écris écrivez était
"""

_ES = """
    al breve como con corto cómo da de del describe el en era es esa escribe ese esta estas este estos está
    están explica frase frases hay la las lo los más muy no o para pero por qué que se ser sin son su sus
    texto un una unas unos y
"""

_IT = """
    al alla breve che come con da dal dei del della delle descrivi di e era frase frasi gli i il in la le lo ma
    molto nel nella non o per perché più questa queste questi questo scrivi si sono spiega su sua suo testo un
    una uno è
"""

_PT = """
    a ao as breve com como curto da das de descreva do dos e em era escreva esta este explique frase frases isso
    mais mas muito na nas no nos não o os ou para por porque que se sem seu sua são texto um uma umas uns à é
"""

_NL = """
    aan als beschrijf bij dat de deze die dit door een en er geen het hij ik in is je kort leg maar meer men met
    niet nog of ook onder op over schrijf tekst uit van voor was waren wij wordt zeer zij zijn zin zinnen zonder
"""

_CYRILLIC = """
    без был была были быть вас все вы где дай для его если есть
    еще её зачем или их как какие какой когда которая которые
    который кратко коротко мне мы назови нам напиши напишите
    нас нет них объясни объясните она они оно опиши опишите под
    пожалуйста почему предложение предложений предложениях
    предложения при про расскажи расскажите слов слова так
    также такое такой текст того тоже только чем что чтобы эта эти это этот
"""

_ARABIC = """
    إلى إن أن أو اذكر اشرح اكتب التي الذي الذين بعض ثم جمل جملة ذلك صف عدة على عن فقرة في قدم قصير قصيرة كان
    كانت كل كما كيف لم لماذا لن ماذا مع من نص هذا هذه هم هو هي حول ثلاث أسطر
"""

_INDIC = """
    अपने इस उस एक और कर करते करना करें का कि किसी की कुछ के को कैसे क्या क्यों जो तक तो था थी थे नहीं ने पर
    बताइए बताएं बाद बारे भी में यह या ये लिए लिखिए लिखें वर्णन वह वाक्य वाक्यों वे संक्षेप समझाइए समझाएं साथ से
    हम ही है हैं हो होता होती होते
"""

_HANGUL = """
    간단 관한 관해 그것 그리고 대하여 대한 대해 됩니 된다 또는 무엇 문장 쓰세요 써주 써줘 설명 알려 어떤 어떻
    여러 없 위한 위해 이것 있 작성 주세요 짧 하지만 한다 합니 해주 해줘
"""

_HAN = """
    为什么 為什麼 什么 什麼 怎么 怎麼 怎样 如何 关于 關於 解释 解釋 说明 說明 説明 描述 介绍 介紹 紹介 列举 列舉
    讨论 討論 分析 简述 简单 簡単 回答 问题 問題 質問 文章 句子 段落 短文 内容 全部 完成 完了 任务 任務 要求
    以上 以下 如下 可以 使用 进行 进一 我们 我們 你们 他们 因为 所以 但是 如果 然后 或者 并且 没有 已经 已經
    理由 教え 書い 書き 答え 短い 一つ 次の
"""

_HAN_CHARACTERS = """
    的了是在和与與及或一二三四五个個这這那有我你他她它们們请請写寫出给給为為以对對从從到把被让讓会會能可要就
    都也还還很不没沒上下中大小多少何吗呢吧啊之其而所且但因此句段字词文书書说說话話时時用使得着过過去来來些种
    種件份篇首于於将將并並则則等各每只又再最更已样好
"""

_KANA = """
    どのように どうして についての について に関して に関する でしょうか ください における によって という
    として による おいて ところ ました ません られる すること それは これは なぜ とは こと もの ため から まで
    より など です ます ある いる する した して この その あの これ それ ので のに では には ない れる って は
    が を に の で と も へ や か よ ね
"""

_THAI = """
    เกี่ยวกับ ตัวอย่าง ข้อความ คำตอบ อย่างไร อธิบาย ประโยค บรรยาย สามารถ กรุณา หนึ่ง เขียน เพราะ โปรด ช่วย ทำไม
    อะไร หรือ และ ของ ที่ ใน เป็น ให้ ได้ จะ มี ไม่ กับ จาก โดย เพื่อ การ ความ ว่า นี้ นั้น ก็ แต่ แล้ว จึง ซึ่ง
    ถึง ต้อง คือ คำ สั้น ๆ สัก สอง สาม บอก เล่า ครับ ค่ะ ต่อ อยู่ ด้วย ตาม
"""


ENGLISH = frozenset(_EN.split())
LATIN = {
    "en": ENGLISH | set(_SHORT_EN.split()),
    **{
        name: frozenset(words.split())
        for name, words in (("de", _DE), ("fr", _FR), ("es", _ES), ("it", _IT), ("pt", _PT), ("nl", _NL))
    },
}
CYRILLIC, ARABIC, INDIC = frozenset(_CYRILLIC.split()), frozenset(_ARABIC.split()), frozenset(_INDIC.split())
HANGUL = tuple(_HANGUL.split())  # beginnings of words
HAN, KANA, THAI = _HAN.split(), _KANA.split(), _THAI.split()
HAN_CHARACTERS = frozenset("".join(_HAN_CHARACTERS.split()))
