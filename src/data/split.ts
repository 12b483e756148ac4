import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { fractionSchema, seedSchema } from './checked.ts'
import type { Documents } from './documents.ts'

export type SplitOptions =
  /** About this fraction of the documents, drawn by number: the same ones whenever the order of documents is the same. */
  | { readonly validation: number; readonly seed: number | bigint }
  /** The last `fraction` of all characters. The document in which the cut falls is cut in two: right for one long text. */
  | { readonly validation: 'last'; readonly fraction: number }

export interface Split {
  readonly train: Documents
  readonly validation: Documents
}

const byNumberSchema = v.strictObject({ validation: fractionSchema, seed: seedSchema })
const byPositionSchema = v.strictObject({ validation: v.literal('last'), fraction: fractionSchema })

/**
 * Parts documents into those to learn from and those held out. Both parts read the documents anew, keeping none; `'last'` reads them once
 * more to count. Throws OptionError on other options; a part that turns out empty throws DataError when it has been read.
 * @example
 * const { train, validation } = splitDocuments(pieces, { validation: 0.1, seed: 1 })
 */
export function splitDocuments(documents: Documents, options: SplitOptions): Split {
  checkOptions(options?.validation === 'last' ? byPositionSchema : byNumberSchema, options, 'splitDocuments')
  const parts =
    options.validation === 'last' ? byPosition(documents, options.fraction) : byNumber(documents, options.validation, options.seed)
  return { train: refuseEmpty(parts.train, 'training'), validation: refuseEmpty(parts.validation, 'validation') }
}

function byNumber(documents: Documents, fraction: number, seed: number | bigint): Split {
  const rng = createRng(seed).fold('validation documents')
  return {
    train: choose(documents, (number) => rng.uniformAt(number) >= fraction),
    validation: choose(documents, (number) => rng.uniformAt(number) < fraction),
  }
}

function choose(documents: Documents, accepts: (number: number) => boolean): Documents {
  return again(async function* () {
    let number = 0
    for await (const document of documents) if (accepts(number++)) yield document
  })
}

function byPosition(documents: Documents, fraction: number): Split {
  let cut: Promise<number> | undefined
  const cutOnce = () => {
    cut ??= lengthOf(documents).then((total) => total - Math.round(total * fraction))
    return cut
  }
  return {
    train: again(async function* () {
      for await (const [head] of cutDocuments(documents, await cutOnce())) if (head !== '') yield head
    }),
    validation: again(async function* () {
      for await (const [, rest] of cutDocuments(documents, await cutOnce())) if (rest !== '') yield rest
    }),
  }
}

/** Every document, as what lies before the cut and what lies after. No character is cut in half. */
async function* cutDocuments(documents: Documents, cut: number): AsyncGenerator<[string, string], void, void> {
  let start = 0
  for await (const document of documents) {
    const place = wholeCharacters(document, Math.max(0, Math.min(document.length, cut - start)))
    yield [document.slice(0, place), document.slice(place)]
    start += document.length
  }
}

/** Moves a place between the halves of a surrogate pair behind them. */
function wholeCharacters(text: string, place: number): number {
  return place > 0 && (text.codePointAt(place - 1) ?? 0) > 0xffff ? place + 1 : place
}

async function lengthOf(documents: Documents): Promise<number> {
  let length = 0
  for await (const document of documents) length += document.length
  return length
}

function refuseEmpty(documents: Documents, part: string): Documents {
  return again(async function* () {
    let empty = true
    for await (const document of documents) {
      empty = false
      yield document
    }
    if (empty) {
      throw new DataError(`the ${part} part has no documents`, {
        fix: "hold out another fraction, or split one long text with validation: 'last'",
      })
    }
  })
}

function again(read: () => AsyncGenerator<string, void, void>): Documents {
  return { [Symbol.asyncIterator]: read }
}
