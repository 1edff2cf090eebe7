"""How good an engine is: predictions for labelled cases, their score, and what trivial guessing would have reached."""
