"""From a library to a farm: which library rows help to predict one local set."""
