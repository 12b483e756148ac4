import * as v from 'valibot'
import { bytesPerElement, elementCount } from '../../base/dtype.ts'
import type { StorageType, StoredTensors } from '../../base/stored-tensor.ts'
import { isBlockType } from '../../formats/block-types.ts'
import { decodeOnnx, type OnnxGraph, type OnnxValue, openSafetensors } from '../../formats/index.ts'
import { twinFormat } from '../../nn/index.ts'
import { openFileSource } from '../../platform/file-source.ts'
import { readFileBytes } from '../../platform/files.ts'
import { openCheckpoint } from '../../systems/checkpoint.ts'
import { loadImageSystem } from '../../systems/index.ts'
import { readJson } from '../../systems/model-files.ts'
import { declaredQuantization, withoutQuantization } from '../../systems/quantization.ts'
import { parseConfig } from '../../systems/read-config.ts'
import { systemForConfig } from '../../systems/registry.ts'
import { keptFormat } from '../../systems/stored-weights.ts'
import { isPictureModel } from '../model.ts'
import { type Inspection, inspectionOf, type TensorFacts } from './inspection.ts'

const imageConfig = v.looseObject({
  system: v.string(),
  options: v.looseObject({}),
  classes: v.array(v.string()),
  tokenizer: v.looseObject({ kind: v.string() }),
})

/** What a folder of `saveImageModel` holds; undefined for a model of something else. Throws as `loadImageModel` does. */
export async function readImageInspection(path: string): Promise<Inspection | undefined> {
  if (!(await isPictureModel(path))) return undefined
  const { system: id, options, classes, tokenizer } = parseConfig(imageConfig, await readJson(path, 'config.json'), 'config.json')
  await using file = await openFileSource(`${path}/model.safetensors`)
  const { tensors } = await openSafetensors(file)
  const uses = usesOf(new Set(Array.from(tensors.values(), ({ type }) => type)))
  const { source } = await loadImageSystem(id)
  const facts = {
    system: { id, source },
    options,
    ...(uses.length > 0 && { weights: Object.fromEntries(uses) }),
    tokenizer,
    pictures: { classes: classes.length === 0 ? 'none' : classes },
  }
  return inspectionOf('model', facts, factsOf(tensors))
}

/** @throws DataError, FormatError, OptionError as `loadModel` does. */
export async function readModelInspection(path: string): Promise<Inspection> {
  await using checkpoint = await openCheckpoint(path)
  const { config, tensors } = checkpoint
  const system = await systemForConfig(config)
  const options = system.readConfig(withoutQuantization(config)) as Readonly<Record<string, unknown>>
  const { kind, vocabularySize, startToken, endTokens } = await checkpoint.readTokenizer()
  const quantization = declaredQuantization(config)
  const uses = usesOf(new Set(Array.from(tensors.values(), ({ type }) => type)))
  const facts = {
    system: { id: system.id, source: system.source },
    options,
    ...(quantization !== undefined && { quantization: { ...quantization } }),
    ...(uses.length > 0 && { weights: Object.fromEntries(uses) }),
    tokenizer: { kind, ids: vocabularySize, start: startToken ?? 'none', end: endTokens.length === 0 ? 'none' : endTokens },
  }
  return inspectionOf('model', facts, factsOf(tensors))
}

/** How types are used whose values, or size in memory, change when the model is loaded. */
export function usesOf(types: ReadonlySet<StorageType>): (readonly [type: StorageType, use: string])[] {
  return [...types].flatMap((type) => {
    const use = useOf(type)
    return use === undefined ? [] : [[type, use] as const]
  })
}

function useOf(type: StorageType): string | undefined {
  if (type === 'float16' || type === 'bfloat16') return 'used as float32'
  const format = isBlockType(type) && twinFormat(type) === undefined ? keptFormat(type) : undefined
  return format && `rounded to ${format.bits}-bit blocks of ${format.blockSize}`
}

/** Reads no more of the file than its header. */
export async function readSafetensorsInspection(path: string): Promise<Inspection> {
  await using file = await openFileSource(path)
  const { tensors, metadata } = await openSafetensors(file)
  return inspectionOf('safetensors', metadata.size === 0 ? {} : { metadata: Object.fromEntries(metadata) }, factsOf(tensors))
}

function factsOf(tensors: StoredTensors): TensorFacts[] {
  return Array.from(tensors, ([name, { type, shape, byteLength }]) => ({ name, dtype: type, shape, bytes: byteLength }))
}

export async function readOnnxInspection(path: string): Promise<Inspection> {
  const { graph, irVersion, opsetImports, producerName, producerVersion, metadata } = decodeOnnx(await readFileBytes(path))
  const facts = {
    model: {
      IR: irVersion,
      opsets: opsetImports.map(({ domain, version }) => `${domain === '' ? 'ai.onnx' : domain} ${version}`),
      producer: `${producerName} ${producerVersion}`.trim(),
      nodes: graph.nodes.length,
    },
    ...(metadata && { metadata: Object.fromEntries(metadata) }),
    inputs: Object.fromEntries(graph.inputs.map(typeEntry)),
    outputs: Object.fromEntries(graph.outputs.map(typeEntry)),
    operators: operatorCounts(graph),
  }
  const tensors = graph.initializers.map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape,
    bytes: elementCount(shape) * bytesPerElement[dtype],
  }))
  return inspectionOf('onnx', facts, tensors)
}

function typeEntry({ name, dtype, shape }: OnnxValue): [string, string] {
  return [name, `${dtype}${shape === undefined ? '' : ` [${shape.map((size) => (size === '' ? '?' : size)).join(', ')}]`}`]
}

/** Most frequent first. */
function operatorCounts({ nodes }: OnnxGraph): Record<string, number> {
  const counts = new Map<string, number>()
  for (const { opType, domain } of nodes) {
    const name = domain === '' ? opType : `${domain}.${opType}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([, left], [, right]) => right - left))
}
