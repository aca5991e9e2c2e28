"""How reports look: system fonts, light or dark as the reader's system is, nothing to load."""

CSS = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1d2027; --faint: #5d6470;
  --line: #d9dce2; --panel: #f4f5f8; --accent: #0072b2; --bad: #b34700; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --back: #15171c; --text: #e6e8ec; --faint: #a0a7b4;
  --line: #343943; --panel: #1e2128; --accent: #56b4e9; --bad: #e69f00; --bar: #2f8fc7; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
header, main, nav, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
a { color: var(--accent); }
.faint, figcaption, caption { color: var(--faint); font-size: .875rem; }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0;
  margin: 1rem 0 0; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; padding: 0;
  max-width: none; }
.card { background: var(--panel); border-radius: .5rem; padding: .6rem 1rem; min-width: 9rem; }
.card b { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.3; }
.card span { color: var(--faint); font-size: .875rem; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .925rem; }
caption { text-align: left; padding-bottom: .35rem; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: break-word; }
th { font-weight: 600; }
tbody th { font-weight: 400; max-width: 26rem; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
thead th { vertical-align: bottom; }
td a { overflow-wrap: anywhere; }
td.bar { min-width: 10rem; vertical-align: middle; }
td.bar span { display: block; height: .7rem; width: var(--share); background: var(--bar);
  border-radius: .15rem; min-width: 1px; }
td.heat { background: color-mix(in srgb, var(--tone) var(--share), transparent); text-align: right;
  padding-right: .75rem; font-variant-numeric: tabular-nums; }
td.right { --tone: var(--accent); } td.wrong { --tone: var(--bad); }
pre { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; overflow-x: auto;
  font-size: .85rem; line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
details { margin: .75rem 0; } summary { cursor: pointer; color: var(--accent); }
figure { margin: 1rem 0; }
figure > img { max-width: 100%; height: auto; background: #fff; border-radius: .5rem;
  border: 1px solid var(--line); padding: .4rem; }
.pairs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr));
  gap: 0 1.5rem; }
.thumbs { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; margin: .5rem 0 1rem;
  list-style: none; max-width: none; }
.thumbs figure { margin: 0; width: 8.5rem; }
.thumbs figure > img { padding: 0; display: block; border-radius: .25rem; }
.thumbs figcaption { font-size: .78rem; line-height: 1.35; overflow-wrap: anywhere; }
.lost { width: 6rem; height: 6rem; background: var(--panel); border: 1px dashed var(--line);
  border-radius: .25rem; font-size: .78rem; padding: .4rem; color: var(--faint); }
.note { background: var(--panel); border-left: 3px solid var(--bad); padding: .4rem .9rem; }
footer { margin: 3rem auto 2rem; color: var(--faint); font-size: .85rem; }
@media print { nav { display: none; } h2 { break-after: avoid; } }
"""
