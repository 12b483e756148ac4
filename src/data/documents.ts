import * as v from 'valibot'
import { DataError, FormatError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { isJsonObject, parseJson } from '../formats/json.ts'
import { listFiles } from '../platform/files.ts'
import { streamLines, streamText } from '../platform/text-files.ts'

/** Texts, one after another; may be gone through any number of times. */
export type Documents = AsyncIterable<string>

interface FileOptions {
  /** Names, folders or glob patterns of UTF-8 files; `!` takes files out. */
  readonly files: string | readonly string[]
  /** Where relative names start; default: the working directory. */
  readonly folder?: string
  /** Longest document, in UTF-16 codes; default 64 Mi. */
  readonly maxLength?: number
}

export type TextDocumentsOptions =
  /** Each file is a document, or several with `separator` between them. */
  | (FileOptions & { readonly format: 'text'; readonly separator?: string })
  /** Each line is a document. */
  | (FileOptions & { readonly format: 'lines' })
  /** Each line is a JSON object whose `field` (default 'text') is a document. */
  | (FileOptions & { readonly format: 'jsonl'; readonly field?: string })

const name = v.pipe(v.string(), v.minLength(1))
const fileOptions = {
  files: v.union([name, v.pipe(v.array(name), v.minLength(1))]),
  folder: v.optional(name),
  maxLength: v.optional(wholeNumber(1, 2 ** 28)),
}
const schema = v.variant('format', [
  v.strictObject({ ...fileOptions, format: v.literal('text'), separator: v.optional(name) }),
  v.strictObject({ ...fileOptions, format: v.literal('lines') }),
  v.strictObject({ ...fileOptions, format: v.literal('jsonl'), field: v.optional(name) }),
])

/**
 * Reads documents from files, holding no more than one in memory. Files come in the order of their paths; documents of white space
 * alone are left out.
 *
 * Throws OptionError on unknown options. Reading throws DataError when a file is missing, unreadable or not UTF-8, when a document is
 * too long, when a line is not the JSON it should be (with file and line), and when there is no document at all.
 * @example
 * const documents = textDocuments({ files: 'corpus/*.jsonl', format: 'jsonl', field: 'story' })
 */
export function textDocuments(options: TextDocumentsOptions): Documents {
  checkOptions(schema, options, 'textDocuments')
  return { [Symbol.asyncIterator]: () => readDocuments(options) }
}

async function* readDocuments(options: TextDocumentsOptions): AsyncGenerator<string, void, void> {
  const patterns = typeof options.files === 'string' ? [options.files] : options.files
  let empty = true
  for (const path of await listFiles(patterns, options.folder === undefined ? {} : { folder: options.folder })) {
    for await (const document of documentsOf(path, options)) {
      if (document.trim() === '') continue
      empty = false
      yield document
    }
  }
  if (empty) throw new DataError(`there is no text in ${patterns.join(', ')}`, { expected: 'at least one document' })
}

function documentsOf(path: string, options: TextDocumentsOptions): AsyncIterable<string> {
  const { maxLength = 2 ** 26 } = options
  if (options.format === 'lines') return streamLines(path, { maxLength })
  if (options.format === 'jsonl') return jsonDocuments(path, options.field ?? 'text', maxLength)
  return separateDocuments(path, options.separator, maxLength)
}

async function* jsonDocuments(path: string, field: string, maxLength: number): AsyncGenerator<string, void, void> {
  let number = 0
  for await (const line of streamLines(path, { maxLength })) {
    number++
    if (line.trim() !== '') yield fieldOf(line, field, `line ${number} of '${path}'`)
  }
}

function fieldOf(line: string, field: string, what: string): string {
  const record = parseLine(line, what)
  const value = isJsonObject(record) ? record[field] : undefined
  if (typeof value === 'string') return value
  throw new DataError(`${what} has no text`, { expected: `a JSON object with a string '${field}'` })
}

function parseLine(line: string, what: string): unknown {
  try {
    return parseJson(line, { what })
  } catch (cause) {
    if (cause instanceof FormatError) throw new DataError(cause.message, { cause })
    throw cause
  }
}

/** What stands between separators; the whole text without one. Only the piece's own text is searched, so time is linear. */
async function* separateDocuments(
  path: string,
  separator: string | undefined,
  maxLength: number,
): AsyncGenerator<string, void, void> {
  const document = new GrowingDocument(path, maxLength)
  // Too short to hold a separator, long enough to hold the start of one that the next piece completes.
  let tail = ''
  for await (const piece of streamText(path)) {
    const texts = separator === undefined ? [piece] : (tail + piece).split(separator)
    const rest = texts.pop() ?? ''
    for (const text of texts) yield document.end(text)
    const kept = rest.length - Math.min(rest.length, (separator?.length ?? 1) - 1)
    document.add(rest.slice(0, kept))
    tail = rest.slice(kept)
  }
  yield document.end(tail)
}

/** A document that arrives in pieces. */
class GrowingDocument {
  readonly #path: string
  readonly #maxLength: number
  #pieces: string[] = []
  #length = 0

  constructor(path: string, maxLength: number) {
    this.#path = path
    this.#maxLength = maxLength
  }

  add(piece: string): void {
    this.#length += piece.length
    if (this.#length > this.#maxLength) {
      throw new DataError(`a document of '${this.#path}' is too long`, {
        expected: `at most ${this.#maxLength} characters`,
        fix: 'name what separates documents (`separator`), or raise `maxLength`',
      })
    }
    this.#pieces.push(piece)
  }

  /** The document with this last piece; the next one starts empty. */
  end(piece: string): string {
    this.add(piece)
    const text = this.#pieces.join('')
    this.#pieces = []
    this.#length = 0
    return text
  }
}
