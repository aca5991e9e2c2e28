# The field's template of each dataset, for the frozen reference that runs are compared with.
_base_ = "../templates.py"
_key = "model.references.zero_shot.prompt.templates"
recipes = {name: {_key: texts} for name, texts in _base_._templates.items()}
