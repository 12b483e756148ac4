import process from 'node:process'
import type { Pictures } from '../../base/pictures.ts'
import { resizePictures } from '../../data/index.ts'
import { pictureGrid, pictureText, type TerminalColours } from '../../formats/index.ts'
import { pictureColours, writeFrame } from '../terminal.ts'

/** Columns and lines for pictures. */
export interface ScreenSize {
  readonly columns: number
  readonly lines: number
}

/** Shows pictures as text, two pixels a character. On a terminal each takes the place of the one before. */
export interface PictureScreen {
  show(pictures: Pictures, caption: string): void
}

const gap = 1
/** Below, halves of pictures say nothing. */
const leastShrunk = 24

/** A screen on stdout; without a terminal, undefined, unless pictures are to be shown as letters. */
export function openPictureScreen(asked: boolean | undefined): PictureScreen | undefined {
  const terminal = pictureColours()
  const colours = asked === true ? (terminal ?? 'none') : terminal
  if (asked === false || colours === undefined) return undefined
  let former = 0
  return {
    show(pictures, caption) {
      const { columns = 80, rows } = process.stdout
      const lines = screenLines(pictures, caption, colours, { columns, lines: rows === undefined ? 64 : rows - 2 })
      writeFrame(lines, former)
      former = lines.length
    },
  }
}

/** As many pictures as fit, at half their size if that shows more of them, above a line of text. */
export function screenLines(pictures: Pictures, caption: string, colours: TerminalColours, screen: ScreenSize): string[] {
  const shown = fitted(pictures, screen)
  const { across, down } = places(shown, screen)
  const count = Math.min(shown.count, across * down)
  const grid = pictureGrid(firstOf(shown, count), { columns: Math.min(across, count), gap, background: 0 })
  const some = count < pictures.count ? `, ${count} of ${pictures.count} shown` : ''
  return [...pictureText(grid, { colours }).split('\n'), `${caption}${some}`]
}

/** How many pictures of that size fit beside and below each other. */
function places({ height, width }: Pictures, { columns, lines }: ScreenSize) {
  const fit = (room: number, size: number) => Math.floor((room - gap) / (size + gap))
  return { across: fit(columns, width), down: fit(2 * lines, height) }
}

/** Pictures that fit on the screen at least once, and if halves are enough for it, all. */
function fitted(pictures: Pictures, screen: ScreenSize): Pictures {
  const { height, width, count } = pictures
  const { across, down } = places(pictures, screen)
  if (across * down >= count) return pictures
  if (across > 0 && down > 0 && Math.min(height, width) < leastShrunk) return pictures
  const needed = Math.max((width + 2 * gap) / screen.columns, (height + 2 * gap) / (2 * screen.lines))
  const ratio = Math.max(2, Math.ceil(needed))
  return resizePictures(pictures, {
    height: Math.max(1, Math.floor(height / ratio)),
    width: Math.max(1, Math.floor(width / ratio)),
  })
}

function firstOf(pictures: Pictures, count: number): Pictures {
  return { ...pictures, count, pixels: pictures.pixels.subarray(0, (pictures.pixels.length / pictures.count) * count) }
}
