import type { Axis, Data, GroupMark, Mark, Scale } from 'vega'
import { type SeriesFrame, stampText } from '../data/index.ts'
import { colours, drawable } from './draw.ts'
import { ticksBetween } from './time-axis.ts'

/** Values over stamps, of one colour; not finite where there is none. */
export interface Line {
  readonly stamps: readonly number[]
  readonly values: ArrayLike<number>
  readonly colour: string
  readonly width?: number
}

/** What lies between two lines. */
export interface Band {
  readonly stamps: readonly number[]
  readonly lower: ArrayLike<number>
  readonly upper: ArrayLike<number>
  readonly colour: string
}

/** One picture of values over time. Bands are drawn first, in their order. */
export interface Panel {
  readonly title?: string
  readonly bands: readonly Band[]
  readonly lines: readonly Line[]
  /** A stamp from which all is forecast. */
  readonly border?: number
}

export interface PanelSize {
  readonly width: number
  readonly height: number
}

interface Row {
  readonly stamp: number
  readonly low: number
  readonly high: number
}

/** The group of marks that draws a panel. */
export function panelMark(
  panel: Panel,
  calendar: Pick<SeriesFrame, 'frequency' | 'zone'>,
  { width, height }: PanelSize,
): GroupMark {
  const bands = panel.bands.map(({ stamps, lower, upper }) => rowsOf(stamps, lower, upper))
  const lines = panel.lines.map(({ stamps, values }) => rowsOf(stamps, values, values))
  const all = [...bands, ...lines].flat().filter(isDrawn)
  const [from, to] = spanOf([...bands, ...lines].flat().map(({ stamp }) => stamp))
  const ticks = ticksBetween(from, to, Math.max(2, Math.min(width / 80, 2 * all.length)), calendar)
  const data =
    (kind: string) =>
    (values: Row[], i: number): Data => ({ name: `${kind}Rows${i}`, values })
  return {
    type: 'group',
    encode: { enter: { width: { value: width }, height: { value: height } } },
    signals: [
      { name: 'width', value: width },
      { name: 'height', value: height },
      { name: 'labels', value: Object.fromEntries(ticks.values.map((value, i) => [value, ticks.labels[i]])) },
    ],
    data: [
      ...bands.map(data('band')),
      ...bands.map((rows) => rows.filter(isAlone(rows))).map(data('bars')),
      ...lines.map(data('line')),
      ...lines.map((rows) => rows.filter(isAlone(rows))).map(data('dots')),
    ],
    scales: scalesOf([from, to], all, { width, height }),
    axes: axesOf(ticks.values, `time from ${stampText(from, calendar)} to ${stampText(to, calendar)}`, height),
    marks: [
      ...titleMarks(panel, width),
      ...panel.bands.flatMap(bandMarks),
      ...borderMarks(panel, height),
      ...panel.lines.flatMap(lineMarks),
    ],
  }
}

function rowsOf(stamps: readonly number[], lower: ArrayLike<number>, upper: ArrayLike<number>): Row[] {
  return stamps.map((stamp, i) => ({ stamp, low: lower[i]!, high: upper[i]! }))
}

function isDrawn({ low, high }: Row): boolean {
  return Number.isFinite(low) && Number.isFinite(high)
}

/** A value between two that are missing, which neither a line nor a band can show. */
function isAlone(rows: readonly Row[]): (row: Row, index: number) => boolean {
  const drawn = (index: number) => rows[index] !== undefined && isDrawn(rows[index])
  return (_, index) => drawn(index) && !drawn(index - 1) && !drawn(index + 1)
}

/** The least and the greatest of a list that may be long. */
function spanOf(values: readonly number[]): [least: number, greatest: number] {
  return values.reduce(
    ([least, greatest], value) => [Math.min(least, value), Math.max(greatest, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  )
}

function scalesOf([from, to]: [number, number], rows: readonly Row[], { width, height }: PanelSize): Scale[] {
  const [least, greatest] = rows.length === 0 ? [0, 1] : spanOf(rows.flatMap(({ low, high }) => [low, high]))
  const room = least === greatest ? Math.abs(least) / 10 || 1 : 0
  return [
    { name: 'x', type: 'linear', domain: from === to ? [from - 1, to + 1] : [from, to], range: [0, width], zero: false },
    { name: 'y', type: 'linear', domain: [least - room, greatest + room], range: [height, 0], zero: false, nice: true },
  ]
}

function axesOf(values: readonly number[], description: string, height: number): Axis[] {
  return [
    {
      orient: 'bottom',
      scale: 'x',
      values: [...values],
      grid: true,
      description,
      encode: { labels: { update: { text: { signal: 'labels[datum.value]' } } } },
    },
    { orient: 'left', scale: 'y', grid: true, tickCount: Math.ceil(height / 50) },
  ]
}

const defined = { signal: 'isFinite(datum.low) && isFinite(datum.high)' }

function bandMarks({ colour }: Band, index: number): Mark[] {
  const x = { scale: 'x', field: 'stamp' }
  const [y, y2] = [
    { scale: 'y', field: 'low' },
    { scale: 'y', field: 'high' },
  ]
  return [
    {
      type: 'area',
      name: `band${index}`,
      from: { data: `bandRows${index}` },
      encode: { enter: { x, y, y2, defined, fill: { value: colour } } },
    },
    {
      type: 'rule',
      name: `bars${index}`,
      from: { data: `barsRows${index}` },
      encode: { enter: { x, y, y2, stroke: { value: colour }, strokeWidth: { value: 8 } } },
    },
  ]
}

function lineMarks({ colour, width = 1.5 }: Line, index: number): Mark[] {
  const [x, y] = [
    { scale: 'x', field: 'stamp' },
    { scale: 'y', field: 'low' },
  ]
  return [
    {
      type: 'line',
      name: `line${index}`,
      from: { data: `lineRows${index}` },
      encode: {
        enter: { x, y, defined, stroke: { value: colour }, strokeWidth: { value: width }, strokeJoin: { value: 'round' } },
      },
    },
    {
      type: 'symbol',
      name: `dots${index}`,
      from: { data: `dotsRows${index}` },
      encode: { enter: { x, y, fill: { value: colour }, size: { value: 24 } } },
    },
  ]
}

/** A title at one height, however high the axis' labels reach. */
function titleMarks({ title }: Panel, width: number): Mark[] {
  if (title === undefined) return []
  const place = { x: { value: 0 }, y: { value: -10 }, limit: { value: width } }
  const style = { fontSize: { value: 12 }, fontWeight: { value: 'bold' as const }, fill: { value: colours.values } }
  return [{ type: 'text', name: 'title', encode: { enter: { ...place, ...style, text: { value: drawable(title) } } } }]
}

function borderMarks({ border }: Panel, height: number): Mark[] {
  if (border === undefined) return []
  const x = { scale: 'x', value: border }
  const stroke = { stroke: { value: colours.axis }, strokeDash: { value: [4, 3] } }
  return [{ type: 'rule', encode: { enter: { x, y: { value: 0 }, y2: { value: height }, ...stroke } } }]
}
