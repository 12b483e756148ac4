import * as v from 'valibot'
import type { HostTensor } from '../base/dtype.ts'
import { FormatError } from '../base/errors.ts'
import { positive, wholeNumber } from '../base/options.ts'
import { parseJson } from '../formats/json.ts'
import { readSafetensors, safetensorsPieces } from '../formats/safetensors.ts'
import { readVariables, type VariableMap } from '../nn/index.ts'
import { readFileBytes } from '../platform/files.ts'
import { currentFolder, type FileContent, pathIn, writeFolderAtomic } from '../platform/folders.ts'

/** Low-rank adapters by `<layer>.lora_A.weight` and `<layer>.lora_B.weight`. */
export interface AdapterTensors {
  readonly rank: number
  readonly alpha: number
  readonly tensors: ReadonlyMap<string, HostTensor>
}

const weightsFile = 'adapter_model.safetensors'
const settingsFile = 'adapter_config.json'
const prefix = 'base_model.model.'

const off = v.optional(v.nullable(v.literal(false, 'is not supported')))
const empty = v.optional(v.nullable(v.pipe(v.record(v.string(), v.unknown()), v.maxEntries(0, 'is not supported'))))

/** Only plain adapters: what would change the computation otherwise is refused. */
const settingsSchema = v.looseObject({
  peft_type: v.literal('LORA'),
  r: wholeNumber(1),
  lora_alpha: positive,
  bias: v.optional(v.nullable(v.literal('none', 'is not supported'))),
  use_dora: off,
  use_rslora: off,
  fan_in_fan_out: off,
  rank_pattern: empty,
  alpha_pattern: empty,
  modules_to_save: v.optional(v.nullable(v.pipe(v.array(v.unknown()), v.maxLength(0, 'is not supported')))),
})

export interface AdapterContents {
  readonly rank: number
  readonly alpha: number
  readonly layers: readonly string[]
  readonly variables: VariableMap
}

/** Writes both files as one atomic change. */
export async function writeAdapterFiles(folder: string, { rank, alpha, layers, variables }: AdapterContents): Promise<void> {
  const tensors = Array.from(await readVariables(variables), ([name, tensor]) => [prefix + name, tensor] as const)
  const settings = { peft_type: 'LORA', r: rank, lora_alpha: alpha, target_modules: layers, lora_dropout: 0, bias: 'none' }
  const files = new Map<string, FileContent>([
    [weightsFile, safetensorsPieces(tensors, new Map([['format', 'pt']]))],
    [settingsFile, `${JSON.stringify(settings, null, 2)}\n`],
  ])
  await writeFolderAtomic(folder, files)
}

/** Throws FormatError or DataError when the files are damaged, missing, or ask for what is not supported. */
export async function readAdapterFiles(folder: string): Promise<AdapterTensors> {
  const current = await currentFolder(folder)
  const what = pathIn(current, settingsFile)
  const parsed = v.safeParse(settingsSchema, parseJson(await readFileBytes(what), { what }))
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw new FormatError(`${what}: ${v.getDotPath(issue) ?? 'the settings'}: ${issue.message}`)
  }
  const { r: rank, lora_alpha: alpha } = parsed.output
  const { tensors } = readSafetensors(await readFileBytes(pathIn(current, weightsFile)))
  return { rank, alpha, tensors: new Map(Array.from(tensors, ([name, tensor]) => [plainName(name), tensor])) }
}

function plainName(name: string): string {
  if (name.startsWith(prefix)) return name.slice(prefix.length)
  throw new FormatError(`adapter tensor ${JSON.stringify(name)}`, { expected: `a name that starts with ${prefix}` })
}
