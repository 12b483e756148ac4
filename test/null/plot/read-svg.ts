import { DOMParser, type Element } from '@xmldom/xmldom'

/** The root of an XML text; throws where it is not well formed. */
export function parseXml(text: string): Element {
  const onError = (level: string, message: string) => {
    // What stands for characters that no XML may hold is meant.
    if (!message.includes('Unicode replacement character')) throw new Error(`${level}: ${message}`)
  }
  return new DOMParser({ onError }).parseFromString(text, 'application/xml').documentElement!
}

/** Elements below one that have a class. */
export function byClass(root: Element, name: string): Element[] {
  return [...root.getElementsByTagName('*')].filter((element) => (element.getAttribute('class') ?? '').split(' ').includes(name))
}

export function texts(root: Element): string[] {
  return [...root.getElementsByTagName('text')].map((element) => element.textContent ?? '')
}

export type Point = readonly [x: number, y: number]

/** Corners of the paths below an element, in their order. */
export function corners(root: Element): Point[] {
  return [...root.getElementsByTagName('path')].flatMap((path) =>
    [...(path.getAttribute('d') ?? '').matchAll(/[ML](-?[\d.e-]+),(-?[\d.e-]+)/g)].map(([, x, y]): Point => [Number(x), Number(y)]),
  )
}

/** From pixels of a panel to what its two axes say there, by the first and the last label of each of which the number is known (else NaN). */
export function readAxes(panel: Element, stampOf: (label: string) => number): (point: Point) => Point {
  const [bottom, left] = byClass(panel, 'role-axis-label')
  const x = line(bottom!, 0, stampOf)
  const y = line(left!, 1, (label) => Number(label.replaceAll(',', '').replace('−', '-')))
  return (point) => [x(point[0]), y(point[1])]
}

/** The straight line through the labels of an axis at their places. */
function line(labels: Element, side: 0 | 1, numberOf: (label: string) => number): (pixel: number) => number {
  const found = [...labels.getElementsByTagName('text')].map((text) => {
    const [, ...place] = /translate\(([-\d.]+),([-\d.]+)\)/.exec(text.getAttribute('transform') ?? '')!
    return { pixel: Number(place[side]) - (side === 1 ? labelDrop : 0), value: numberOf(text.textContent ?? '') }
  })
  const known = found.filter(({ value }) => !Number.isNaN(value))
  const [first, last] = [known[0]!, known.at(-1)!]
  const slope = (last.value - first.value) / (last.pixel - first.pixel)
  return (pixel) => first.value + slope * (pixel - first.pixel)
}

/** How far the baseline of a label lies below its tick, in pixels. */
const labelDrop = 3

/** The stamp of a label that names a year, alone or below its first month; else NaN. */
export function newYear(label: string): number {
  return Date.UTC(Number(label.replace('Jan', '')), 0, 1)
}
