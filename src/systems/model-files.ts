import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import type { TextTokenizer, TokenizerFile } from '../base/model.ts'
import { parseJson } from '../formats/index.ts'
import { exists, readFileBytes } from '../platform/files.ts'
import { charactersTokenizer, loadTokenizer, sentencePieceTokenizer, tokenizerFromHuggingFace } from '../tokenizers/index.ts'
import { parseConfig } from './read-config.ts'

/** Where nextx keeps tokenizers that it made. */
export const tokenizerFileName = 'tokenizer.nextx.json'

/** Largest JSON file of a model folder. */
const maxBytes = 100_000_000

export async function readJson(folder: string, name: string): Promise<unknown> {
  return parseJson(await readFileBytes(`${folder}/${name}`, { maxBytes }), { what: name, maxBytes })
}

/** How a tokenizer is read from a file of that name. */
const readers: Readonly<Record<string, (folder: string, config: unknown) => Promise<TextTokenizer>>> = {
  [tokenizerFileName]: async (folder) => loadTokenizer((await readJson(folder, tokenizerFileName)) as TokenizerFile),
  'tokenizer.json': async (folder) => {
    const config = (await exists(`${folder}/tokenizer_config.json`)) ? await readJson(folder, 'tokenizer_config.json') : undefined
    return tokenizerFromHuggingFace(await readJson(folder, 'tokenizer.json'), config)
  },
  'tok512.json': readPieces,
}

/** Models of characters may list them in their configuration, in the order of their ids. */
const characterConfig = v.looseObject({ chars: v.array(v.string()) })

/** The tokenizer of a model folder. Throws DataError when there is none. */
export async function readTokenizer(folder: string, config: unknown): Promise<TextTokenizer> {
  for (const [name, read] of Object.entries(readers)) if (await exists(`${folder}/${name}`)) return read(folder, config)
  if (v.is(characterConfig, config)) return charactersTokenizer(config.chars)
  throw new DataError(`${folder} has no tokenizer`, { expected: `one of ${Object.keys(readers).join(', ')}` })
}

const idSchema = v.pipe(v.number(), v.integer(), v.minValue(0))
const specialIds = v.looseObject({ bos_token_id: idSchema, eos_token_id: idSchema })
const piecesSchema = v.array(v.tuple([v.string(), v.number()]))

/** llama2.c's vocabulary: [piece, score] pairs. Its models end a story with the start token as well. */
async function readPieces(folder: string, config: unknown): Promise<TextTokenizer> {
  const pieces = parseConfig(piecesSchema, await readJson(folder, 'tok512.json'), 'tok512.json')
  const { bos_token_id: start, eos_token_id: end } = parseConfig(specialIds, config, 'config.json')
  return sentencePieceTokenizer({ pieces, startToken: start, endTokens: [start, end], unknownToken: 0 })
}
