import { type Config, parse, type Spec, View } from 'vega'

/** Okabe and Ito's palette, told apart by colour-blind readers too; 2008, Color Universal Design. */
export const colours = {
  values: '#333333',
  forecast: '#0072b2',
  past: '#d55e00',
  note: '#666666',
  grid: '#e6e6e6',
  axis: '#999999',
} as const

const config: Config = {
  background: 'white',
  axis: {
    domainColor: colours.axis,
    gridColor: colours.grid,
    tickColor: colours.axis,
    labelColor: colours.values,
    labelFontSize: 11,
    titleColor: colours.note,
    titleFontSize: 11,
    titleFontWeight: 'normal',
  },
  legend: { labelColor: colours.values, labelFontSize: 12, labelLimit: 260, symbolSize: 160 },
  title: { color: colours.values, subtitleColor: colours.note, fontSize: 14, subtitleFontSize: 12, anchor: 'start' },
}

/** The picture of a specification as SVG text. */
export async function draw(spec: Spec): Promise<string> {
  const view = new View(parse({ padding: 10, ...spec }, config), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** Text of unknown origin without what no XML file may hold. */
export function drawable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '\ufffd')
}

/** A mixture of a colour (#rrggbb) with white; `strength` 0 is white. */
export function tint(colour: string, strength: number): string {
  const parts = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
  return `#${parts.map((part) => toHex(255 - strength * (255 - part))).join('')}`
}

function toHex(value: number): string {
  return Math.round(value).toString(16).padStart(2, '0')
}
