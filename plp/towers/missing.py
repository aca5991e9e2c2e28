"""Packages that the transformers library asks for only where a file needs them."""

# Of the extra 'hub'.
_PACKAGES = ("sentencepiece", "protobuf")


def missing_package(error: BaseException) -> str:
    """Say which package to install where an error is the lack of one; '' for another error.

    Example:
        >>> missing_package(ImportError('SiglipTokenizer requires the SentencePiece library but'))
        " It needs the package sentencepiece: pip install 'plp[hub]'"
        >>> missing_package(ValueError('sentencepiece'))
        ''
    """
    if not isinstance(error, ImportError):
        return ""
    said = str(error).lower()
    found = next((package for package in _PACKAGES if package in said), None)
    return f" It needs the package {found}: pip install 'plp[hub]'" if found else ""
