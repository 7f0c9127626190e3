//! How the page looks, by light and by dark, on wide screens and on narrow ones.

/// The page's only style sheet. The names of colours are those that `canvas` writes.
pub const STYLE: &str = "
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1b1f24; --muted: #5c6670; --grid: #e9ebee; --line: #d9dde2;
  --hue0: #0b6bcb; --hue1: #8a6d3b; --hue2: #2f8f5b; --hue3: #8d97a3; --hue4: #b0468a; --hue5: #c2571a; --hue6: #6b58c9; --hue7: #2a8ca0;
  --win: #1a7f44; --loss: #c0322b; --level: #5c6670; --warn: #8a5a00; --warn-page: #fff5dc }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171a; --card: #1c2024; --ink: #e8eaed; --muted: #a2abb5; --grid: #2a3036; --line: #343b43;
  --hue0: #57a8ff; --hue1: #d0ab6a; --hue2: #57c28a; --hue3: #87919c; --hue4: #e283c0; --hue5: #f0915a; --hue6: #a79bff; --hue7: #63c4d6;
  --win: #5fce8c; --loss: #ff7d74; --level: #a2abb5; --warn: #f2c66d; --warn-page: #332a14 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 }
h2 { font-size: 1.3rem; margin: 48px 0 12px }
h3 { font-size: 1.1rem; margin: 0 }
h4 { font-size: .95rem; margin: 0 0 8px; font-weight: 600 }
p { margin: 4px 0 }
.muted, figcaption { color: var(--muted); font-size: .875rem }
.warning { background: var(--warn-page); color: var(--warn); padding: 10px 14px; border-radius: 8px; margin: 16px 0 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; margin: 24px 0 0; padding: 0; list-style: none }
.tiles li, article { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
.tiles li { padding: 12px 16px } .tiles b { display: block; font-size: 1.7rem; line-height: 1.2 }
article { padding: 20px; margin: 20px 0 } article > * + * { margin-top: 14px }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch }
.scroll:focus-visible { outline: 2px solid var(--hue0); outline-offset: 2px }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--muted); padding: 0 0 8px }
th, td { text-align: left; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top }
tr:last-child > * { border-bottom: 0 }
th { font-weight: 600 } thead th { color: var(--muted); font-weight: 500; white-space: nowrap }
td.number { white-space: nowrap } th a { color: inherit }
tr.ours th { color: var(--hue0) }
.verdict { font-weight: 600; white-space: nowrap }
.win, .reached, .stretch { color: var(--win) } .loss, .missed { color: var(--loss) }
.level { color: var(--level) } .noisy, .undecided { color: var(--warn) }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 28px }
figure { margin: 0 } svg { display: block; width: 100%; max-width: 560px; height: auto; overflow: visible }
svg text { font-family: system-ui, sans-serif }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 4px 0; padding: 0; font-size: .875rem }
.legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 6px; vertical-align: middle }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; font-size: .875rem }
dt { color: var(--muted) } dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 520px) { dl { grid-template-columns: 1fr } dd { margin-bottom: 6px } article { padding: 14px } main { padding: 16px 10px 48px } }
@media print { article { break-inside: avoid } }
";
