import * as v from 'valibot'
import { MismatchError, OptionError } from '../base/errors.ts'
import { shortened } from '../base/options.ts'
import { type BlockFormat, type Module, matricesIn, nameVariables, placesIn, QuantizedMatrix } from '../nn/index.ts'

/** Which of a model's matrices are quantised, as config.json says it under `quantization`. */
export interface QuantizationDeclaration extends BlockFormat {
  /** How the codes were chosen: said to whom reads it, and without effect. */
  readonly method?: string | undefined
  /** Matrices in another format, by the name of their weight; null: not quantised. */
  readonly except?: Readonly<Record<string, BlockFormat | null>> | undefined
}

const formatEntries = { bits: v.picklist([4, 8]), blockSize: v.picklist([16, 32, 64, 128, 256]) }

const declarationSchema = v.strictObject({
  ...formatEntries,
  method: v.optional(v.string()),
  except: v.optional(v.record(v.string(), v.nullable(v.strictObject(formatEntries)))),
})

/** What a parsed config.json declares. Throws OptionError on a `quantization` of another kind than nextx writes. */
export function declaredQuantization(config: unknown): QuantizationDeclaration | undefined {
  const declared = typeof config === 'object' && config !== null && 'quantization' in config ? config.quantization : undefined
  if (declared === undefined || declared === null) return undefined
  const parsed = v.safeParse(declarationSchema, declared, { abortEarly: true })
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new OptionError(`config.json: quantization ${v.getDotPath(issue) ?? ''}: ${shortened(issue.message)}`, {
    expected: '{ bits: 4 or 8, blockSize: 16, 32, 64, 128 or 256 }, as nextx writes it',
  })
}

/** The rest of a config.json: what the system reads. */
export function withoutQuantization(config: unknown): unknown {
  if (typeof config !== 'object' || config === null) return config
  return Object.fromEntries(Object.entries(config).filter(([key]) => key !== 'quantization'))
}

/**
 * Puts empty matrices where the declaration has quantised ones, for a checkpoint to fill. Throws MismatchError when it names a matrix
 * that the network lacks.
 */
export function applyQuantization(network: Module, { bits, blockSize, except = {} }: QuantizationDeclaration): void {
  const matrices = matricesIn(network)
  const unknown = Object.keys(except).filter((name) => !matrices.some((matrix) => matrix.name === name))
  if (unknown.length > 0) {
    throw new MismatchError(`config.json: quantization names ${shortened(unknown.join(', '))}, which the model lacks`)
  }
  for (const { name, weight, places } of matrices) {
    const format = Object.hasOwn(except, name) ? except[name] : { bits, blockSize }
    if (format === null || format === undefined) continue
    const [rows, columns] = weight.concreteShape as [number, number]
    const matrix = new QuantizedMatrix(rows, columns, format)
    for (const { holder } of places) (holder as { weight: QuantizedMatrix }).weight = matrix
  }
  nameVariables(network)
}

/** The declaration of a network as it is; undefined when nothing in it is quantised. */
export function quantizationOf(network: Module, method?: string): QuantizationDeclaration | undefined {
  const names = new Map<QuantizedMatrix, string>()
  for (const { path, value } of placesIn(network)) {
    // A matrix with several places has the name of the first.
    if (value instanceof QuantizedMatrix && !names.has(value)) names.set(value, path)
  }
  const formats = Array.from(names, ([{ bits, blockSize }, name]) => [name, { bits, blockSize }] as const)
  const [main] = mostFrequent(formats.map(([, format]) => format))
  if (main === undefined) return undefined
  const others = formats.filter(([, format]) => keyOf(format) !== keyOf(main))
  const plain = matricesIn(network).map(({ name }) => [name, null] as const)
  const except = Object.fromEntries<BlockFormat | null>([...others, ...plain])
  return { ...main, ...(method !== undefined && { method }), ...(others.length + plain.length > 0 && { except }) }
}

function keyOf({ bits, blockSize }: BlockFormat): string {
  return `${bits}/${blockSize}`
}

function mostFrequent(formats: readonly BlockFormat[]): BlockFormat[] {
  const counts = new Map<string, number>()
  for (const format of formats) counts.set(keyOf(format), (counts.get(keyOf(format)) ?? 0) + 1)
  return formats.toSorted((a, b) => counts.get(keyOf(b))! - counts.get(keyOf(a))!)
}
