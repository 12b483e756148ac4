import process from 'node:process'
import { DataError } from '../base/errors.ts'
import { note } from './terminal.ts'

const mostBytes = 2 ** 28
const longestLine = 2 ** 20
const patience = 2000 // milliseconds

/**
 * The lines of stdin as they come, without their line breaks.
 * @throws DataError when one is no UTF-8 or too long; the signal's reason after an abort.
 */
export async function* readLines(what: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const { stdin } = process
  const stop = () => stdin.destroy(signal.reason as Error)
  signal.addEventListener('abort', stop)
  try {
    signal.throwIfAborted()
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let rest = ''
    for await (const chunk of stdin as AsyncIterable<Uint8Array>) {
      const lines = (rest + decode(decoder, what, chunk)).split('\n')
      rest = lines.pop()!
      if (rest.length > longestLine)
        throw new DataError(`${what} on stdin is too long`, { expected: `at most ${longestLine} characters` })
      for (const line of lines) yield line.replace(/\r$/, '')
    }
    rest += decode(decoder, what)
    if (rest !== '') yield rest
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/**
 * All of stdin as text. When nothing comes for a while, says on stderr what it is waiting for.
 * @throws DataError when it is no UTF-8 or too long; the signal's reason after an abort.
 */
export async function readStdin(what: string, signal: AbortSignal): Promise<string> {
  const { stdin } = process
  const hint = setTimeout(() => note(`waiting for ${what} on stdin`), patience)
  const stop = () => stdin.destroy(signal.reason as Error)
  signal.addEventListener('abort', stop)
  try {
    signal.throwIfAborted()
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let [text, bytes] = ['', 0]
    for await (const chunk of stdin as AsyncIterable<Uint8Array>) {
      clearTimeout(hint)
      bytes += chunk.byteLength
      if (bytes > mostBytes) throw new DataError(`${what} on stdin is too long`, { expected: `at most ${mostBytes} bytes` })
      text += decode(decoder, what, chunk)
    }
    return text + decode(decoder, what)
  } finally {
    clearTimeout(hint)
    signal.removeEventListener('abort', stop)
  }
}

function decode(decoder: InstanceType<typeof TextDecoder>, what: string, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined })
  } catch (cause) {
    throw new DataError(`${what} on stdin is not text`, { expected: 'UTF-8', cause })
  }
}
