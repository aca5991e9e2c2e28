"""From a config file and flags to settled options: nothing here builds a model."""
