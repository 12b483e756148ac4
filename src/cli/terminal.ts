import process from 'node:process'
import type { TerminalColours } from '../formats/index.ts'

type Style = 'bold' | 'dim' | 'red' | 'green'

/** What a stream of the process has when it is a terminal. */
interface Stream {
  readonly isTTY: boolean
  hasColors(): boolean
}

const styleCodes: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
}

/** Writes to stdout, where only results go. */
export function write(text: string): void {
  process.stdout.write(process.stdout.isTTY ? withoutControls(text) : text)
}

/** A result of one or more lines. */
export function writeLines(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** One of many results: a line of its own. */
export function writeJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** A picture of lines, which takes the place of a former one where the terminal allows it. `former`: how many lines that has. */
export function writeFrame(lines: readonly string[], former: number): void {
  const up = process.stdout.isTTY && former > 0 ? `\u001b[${former}A` : ''
  const rest = process.stdout.isTTY ? '\u001b[K' : ''
  process.stdout.write(`${up}${lines.map((line) => `${line}${rest}\n`).join('')}`)
}

/** A line on stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** An error that the work goes on after, or that ends it. */
export function noteError(message: string): void {
  note(`${styled('red', 'error:', process.stderr)} ${oneLine(message)}`)
}

/** The text in a style, if that stream shows styles; NO_COLOR is respected. */
export function styled(style: Style, text: string, stream: Stream = process.stdout): string {
  if (!stream.isTTY || !stream.hasColors()) return text
  const [on, off] = styleCodes[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** The colours in which a stream shows pictures; undefined where it is no terminal. NO_COLOR and COLORTERM are respected. */
export function pictureColours(
  stream: { readonly isTTY: boolean; getColorDepth(): number } = process.stdout,
): TerminalColours | undefined {
  if (!stream.isTTY) return undefined
  const bits = stream.getColorDepth()
  return bits >= 24 ? 'true colour' : bits >= 8 ? 'greys' : 'none'
}

/** Text of unknown origin in one line that cannot command the terminal. */
export function oneLine(text: string): string {
  return withoutControls(text.trim().replace(/\s*\n\s*/g, ' '))
}

/** Control characters other than line breaks and tabs become U+FFFD. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '\ufffd')
}
