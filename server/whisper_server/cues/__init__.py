"""From segments to text, SRT, WebVTT and JSON; pure, and of no other part's types, so that clients use it too.

`spoken` says what it takes in, `atoms` and `breaking` make `cue`s of it, `writers` write them piece by piece, `render`
all at once.
"""
