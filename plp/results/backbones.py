"""Which backbones the rows of a table are on, where that is not the same for all."""

from collections.abc import Sequence

from plp.results.records import OODRun, Run


def notes_on_backbones(rows: Sequence[Run | OODRun]) -> tuple[str, ...]:
    """Return which methods are on which backbone, where these are several.

    Example:
        >>> from plp.results.run import Run
        >>> from plp.results.settings import Settings
        >>> lite, other = (Settings('', {}, backbone=name) for name in ('lite', 'siglip2-b16'))
        >>> one = Run('coop', 'dtd', 1, 1, {}, {}, 0, settings=lite)
        >>> notes_on_backbones([one, one._replace(method='plot', settings=other)])
        ('Runs are on different backbones: lite (coop); siglip2-b16 (plot).',)
    """
    methods: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.settings is not None and row.settings.backbone:
            methods.setdefault(row.settings.backbone, {})[row.method] = None
    if len(methods) < 2:
        return ()
    listed = "; ".join(f"{name} ({', '.join(found)})" for name, found in methods.items())
    return (f"Runs are on different backbones: {listed}.",)
