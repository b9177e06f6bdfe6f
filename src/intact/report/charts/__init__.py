"""Charts as Vega-Lite specifications, one file a part of the page.

Colours are CSS variables, so that the page's theme reaches into the SVG; keys (legends) are HTML
beside the chart, so that they wrap on a phone and can be read aloud.
"""
