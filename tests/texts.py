"""Texts with invisible characters and disguised links, for all implementations that check texts."""

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

#: Legitimate texts: scripts and emoji that need invisible characters.
NEEDED = {
    "a joiner behind a virama": "\u0930\u094d\u200d\u092f",
    "a joiner in front of one, in Bengali": "\u09b0\u200d\u09cd\u09af",
    "a joiner in Sinhala": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "a non-joiner behind a virama": "\u0915\u094d\u200c\u0937",
    "a non-joiner of Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a non-joiner behind a mark": "\u0645\u064e\u200c\u0645",
    "an abbreviation in Arabic": "1447 \u0647\u200d",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "an astronaut with a skin": "\U0001f469\U0001f3fd\u200d\U0001f680",
    "a heart on fire": "\u2764\ufe0f\u200d\U0001f525",
    "a rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "a pirate's flag": "\U0001f3f4\u200d\u2620\ufe0f",
    "a shaken head": "\U0001f642\u200d\u2194\ufe0f",
    "a heart": "\u2764\ufe0f",
    "a heart as text": "\u2764\ufe0e",
    "a mark as an emoji": "\u203c\ufe0f",
    "a keycap": "1\ufe0f\u20e3#\ufe0f\u20e3",
    "England": ENGLAND,
    "two flags": ENGLAND * 2,
    "a flag joined on both sides": f"\U0001f468\u200d{ENGLAND}\u200d\U0001f469",
}

#: Invisible characters that no neighbour needs. They can carry a message, or hide a word from a
#: filter.
NEEDLESS = {
    "a joiner among letters": "ht\u200dtp",
    "a non-joiner among letters": "a\u200cb",
    "a joiner in front": "\u200d\U0001f468",
    "a joiner behind": "\U0001f468\u200d",
    "two joiners": "\U0001f468\u200d\u200d\U0001f469",
    "a joiner between Devanagari letters": "\u0915\u200d\u0939",
    "a non-joiner behind Arabic": "\u0645\u200c ",
    "a non-joiner in front of Arabic": "\u200c\u0645",
    "a style of a letter": "a\ufe0f",
    "a style of a digit": "1\ufe0f",
    "a keycap as text": "1\ufe0e\u20e3",
    "a style twice": "\u2764\ufe0f\ufe0f",
    "a style of a flag": f"{ENGLAND}\ufe0f",
    "a style of a skin": "\U0001f469\U0001f3fd\ufe0f",
    "another style": "\u4e2d\ufe00",
    "a style of an ideograph": "\u8fbb\U000e0100",
    "a tag": "\U000e0061",
    "tags without a flag": "a\U000e0067\U000e0062\U000e0065\U000e007f",
    "a flag without an end": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e",
    "a flag without a part": "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "a flag with too long a part": "\U0001f3f4" + "\U000e0061" * 7 + "\U000e007f",
    "a flag of digits": "\U0001f3f4\U000e0031\U000e0032\U000e0033\U000e007f",
    "a flag in capitals": "\U0001f3f4\U000e0047\U000e0042\U000e0045\U000e007f",
    "a language tag": "\U000e0001\U000e0065\U000e006e",
    "a white flag with tags": ENGLAND.replace("\U0001f3f4", "\U0001f3f3"),
    "more tags behind a flag": f"{ENGLAND}\U000e0067",
    "a grapheme joiner": "a\u034fb",
    "a filler of Hangul": "\u3164",
    "half a filler": "\uffa0",
    "a filler in front": "\u115f",
    "a filler behind": "\u1160",
    "a vowel of Khmer": "\u1780\u17b4",
    "a selector of Mongolian": "\u1820\u180b",
    "a space of no width": "a\u200bb",
    "a joiner of words": "a\u2060b",
    "a soft hyphen": "a\u00adb",
    "a mark of the order of bytes": "\ufeffa",
    "a sign of shorthand": "\U0001bca0",
    "a sign of music": "\U0001d173",
    "what is not assigned yet": "\u2065\ufff0",
    "what never will be": "\U000e0080",
}

#: Usual text with dots, colons and ampersands.
PLAIN = [
    *("3.5", "e.g. this, i.e. that", "Android 16.5", "v16.0.1.2", "Dr. Smith", "Ph.D", "U.S.A."),
    *("10:30", "2026-01-01T10:30", "Tel: 110", "Well...yes", "a .NET program", "wait\u2026what"),
    *("R&D; no", "a&b", "AT&T", "&", "&;", "\u0939\u0940.", "\u0928\u092f\u093e\u0964Android"),
    *("\u66f4\u65b0\u3002Android", "Wi-Fi\uff1a5GHz", "\u65f6\u95f4\uff1a10:30", "\u5b8c\u6210."),
    "1.\u65b0",
    *("\u0442.\u0435.", "EE. UU.", "life:)", "love :)", "love:-)", "\U0001f389", "\u2764\ufe0f"),
    *("v2.beta2", "ab.c1"),
    *("V14.0.1.0", "1.2.3", "12.30", "24.12.2026", "2026.11.26.10", "1.2.3.4b", "1.2.3.4567"),
    *("a :: b", "::", "10:30:45", "00:1a:2b:3c:4d:5e", "50%...60%", "C++.Net", "\u2026.ok"),
    # Full stops without a following space, in scripts that write none, and before other words.
    *("1.\u65b0\u589e\u529f\u80fd 2.\u7f51\u7edc\u4f18\u5316", "\u4eca\u5929.\u660e\u5929"),
    "\u3067\u3059\uff0e\u6b21\u306b",
    "\u0434\u0435\u043d\u044c.\u0417\u0430\u0432\u0442\u0440\u0430",
    "\u0410.\u0421.\u041f\u0443\u0448\u043a\u0438\u043d",
    *("\u092a\u0940.\u090f\u091a.\u0921\u0940.", "\u062f.\u0645\u062d\u0645\u062f"),
    *("\u4e2d.\u7f51\u7edc\u4f18\u5316", "\u65e5\u3002\u516c\u53f8", ".\u0440\u0444"),
    "a.\u0440\u04442",
]

#: Real names of carriers and authorities, which no text may contain.
NAMES = ["blau.de", "SSL.com Root", "Izenpe.com", "m:tel", "MMS Vodafone.eg", "8.ta"]

#: Texts that some program turns into a link: domain names, and schemes.
LEADING = [
    *("Visit evil.com/login now", "evil.com", "bit.ly/abc", "t.me/x", "163.com", "a@evil.com"),
    *("evil.Com", "evil.co.uk", "(evil.com)", "evil.com.", "\u0430pple.com", "xn--a.xn--p1ai/"),
    *("evil.com\u767b\u5f55", "\u0939\u093f\u0928\u094d\u0926\u0940.com", "evil\uff0ecom"),
    *("evil\u2024com", "Dr.Smith"),
    *("16.Next", "\U0001d5be\U0001d5cf.\U0001d5bc\U0001d5c8", "ab.cd-e", "mailto:a", "tel:*06#"),
    "sms:+1900",
    *("intent:#I;end", "file:-1", "vbscript:x", "market:details", "ftp:x", "a+b-c.d:e"),
    "\u89c1geo:-6",
    *("\U0001d5cd\U0001d5be\U0001d5c5:1", "a::b:c"),
    # Top-level domains that are not ASCII.
    "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
    *("\u041f\u0420\u0418\u041c\u0415\u0420.\u0420\u0424/a", "a.\u0440\u0444.", "163.\u516c\u53f8"),
    *("\u4f8b.\u4e2d\u56fd, b", "\u4f8b\u3048.\u30c6\u30b9\u30c8"),
    "\u4f8b\u3048\uff0e\uff83\uff7d\uff84",
    "\u0909\u0926\u093e\u0939\u0930\u0923.\u092d\u093e\u0930\u0924",
    *("\u0645\u062b\u0627\u0644.\u0645\u0635\u0631", "\uc608.\ud55c\uad6d-a"),
    *("b\u00fccher.verm\u00f6gensberatung", "xn--e1afmkfd.xn--p1ai"),
    # An emoji can be a domain name.
    *("\u2764.ws", "i\u2764.ws", "\U0001f4a9.la", "\u2615.\u0440\u0444"),
]

#: Host addresses, which are links without a domain name.
ADDRESSES = [
    *("203.0.113.7", "203.0.113.7:80", "203.0.113.7/login", "(203.0.113.7)", "203.0.113.7."),
    "16.0.1.2",
    *("1.16.0.1.2", "Ver.16.0.1.2", "\u89c116.0.1.2\u89c1", "_1.2.3.4", "\uff12.0.0\uff0e1"),
    *("2001:db8::1", "[2001:db8::1]/a", "fe80::", "::1", "64:ff9b::203.0.113.7", "std::string"),
    *("2001:0db8:0000:0000:0000:0000:0000:0001", "1:2:3:4:5:6:7:8"),
]

#: HTML entities.
ENTITIES = ["&lt;script&gt;", "a &amp; b", "&#60;", "&#x3C;", "\uff06lt\uff1b", f"&{'a' * 32};"]

#: Texts without any visible character.
UNSEEN = [" ", "   ", "\u2800", " \u2800\u00a0", "\u3000", "\u0301", "\u20dd "]

#: Links, or texts that some program turns into a link.
LINKS = [
    *("ftp://a.b", "see //a.b/c", "//a", "a:// b", "x-y://z", "HTTP:a", "www.a", "Www\u3002a"),
    *("\uff48\uff54\uff54\uff50\uff1a\uff0f\uff0fa.b", "http\uff1aa", "\uff0f\uff0fa.b"),
    "/\uff0fa",
    *("\uff57\uff57\uff57\uff0ea", "www\uff61a", "\U0001d5c1\U0001d5cd\U0001d5cd\U0001d5c9:a"),
    *("\u24d3\u24d0\u24e3\u24d0:a", "java\u017fcript\ufe55a", "\uff1cb\uff1e", "\ufe64b", "\ufe65"),
]
