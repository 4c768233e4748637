"""What is known of characters: how wide they are, and where a line may be broken between two of them."""

import unicodedata

#: Ideographs, kana and their punctuation, bopomofo, full-width forms: a line may be broken between any two.
_IDEOGRAPHIC = ((0x2E80, 0xA4CF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF), (0x1F000, 0x3FFFF))
#: Thai, Lao, Burmese, Khmer: written without spaces too, but only a dictionary could tell where their words end.
_UNSPACED = (*_IDEOGRAPHIC, (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))

#: Small kana, which belong to what stands before them (JIS X 4051).
_SMALL_KANA = frozenset("ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ")
_MARKS = frozenset({"Mn", "Mc", "Me", "Cf"})
_CLOSING = frozenset({"Pe", "Pf", "Po", "Lm"})
_OPENING = frozenset({"Ps", "Pi"})
_OPENING_MARKS = frozenset("¿¡")

_SENTENCE_ENDS = frozenset(".!?…。！？｡؟।۔።")  # noqa: RUF001
_CLAUSE_ENDS = frozenset(",;:，、；：､،؛–—")  # noqa: RUF001
#: Of English, before names; a single letter with a point is taken for an initial in any language.
_TITLES = frozenset({"Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "St."})
_CLOSERS = "\"'”’»)]}」』）】〉》〕］｝"  # noqa: RUF001


def width(text: str) -> int:
    """Return the columns that `text` takes: two for each wide character, as readers of those scripts expect."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def breakable(before: str, after: str) -> bool:
    """Tell whether a line may be broken between two characters of one word."""
    return (_within(before, _IDEOGRAPHIC) or _within(after, _IDEOGRAPHIC)) and _allowed(before, after)


def breakable_between_words(before: str, after: str) -> bool:
    """Tell whether a line may be broken between the last and the first character of two words with no space between."""
    return (_within(before, _UNSPACED) or _within(after, _UNSPACED)) and _allowed(before, after)


def is_unspaced(character: str) -> bool:
    """Tell whether `character` is of a script that puts no spaces between words."""
    return _within(character, _UNSPACED)


def is_mark(character: str) -> bool:
    """Tell whether `character` is drawn onto the one before it."""
    return unicodedata.category(character) in _MARKS


def ends_sentence(text: str) -> bool:
    """Tell whether a sentence ends with the word `text`, as far as that shows."""
    initial = len(text) == len("J.") and text[0].isupper()
    return _last_letter(text) in _SENTENCE_ENDS and text not in _TITLES and not initial


def ends_clause(text: str) -> bool:
    """Tell whether a clause ends with the word `text`."""
    return _last_letter(text) in _CLAUSE_ENDS


def _last_letter(text: str) -> str:
    """Return the last character of `text`, closing quotes and brackets left out."""
    return (text.rstrip(_CLOSERS) or text)[-1:]


def _allowed(before: str, after: str) -> bool:
    if after in _SMALL_KANA or (unicodedata.category(after) in _CLOSING and after not in _OPENING_MARKS):
        return False
    return not is_mark(after) and unicodedata.category(before) not in _OPENING


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)
