import { bytesPerElement, elementCount } from '../../base/dtype.ts'
import {
  decodeOnnx,
  type OnnxGraph,
  type OnnxValue,
  readSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeadBytes,
} from '../../formats/index.ts'
import { readFileHead } from '../../platform/file-head.ts'
import { readFileBytes } from '../../platform/files.ts'
import { readJson, readTokenizer } from '../../systems/model-files.ts'
import { systemForConfig } from '../../systems/registry.ts'
import { type Inspection, inspectionOf, type TensorFacts } from './inspection.ts'

/** @throws DataError, FormatError, OptionError as `loadModel` does. */
export async function readModelInspection(folder: string): Promise<Inspection> {
  const config = await readJson(folder, 'config.json')
  const system = await systemForConfig(config)
  const options = system.readConfig(config) as Readonly<Record<string, unknown>>
  const { kind, vocabularySize, startToken, endTokens } = await readTokenizer(folder, config)
  const header = await readHeader(`${folder}/model.safetensors`)
  const facts = {
    system: { id: system.id, source: system.source },
    options,
    tokenizer: { kind, ids: vocabularySize, start: startToken ?? 'none', end: endTokens.length === 0 ? 'none' : endTokens },
  }
  return inspectionOf('model', facts, tensorsOf(header))
}

/** Reads no more of the file than its header. */
export async function readSafetensorsInspection(path: string): Promise<Inspection> {
  const header = await readHeader(path)
  const facts = header.metadata.size === 0 ? {} : { metadata: Object.fromEntries(header.metadata) }
  return inspectionOf('safetensors', facts, tensorsOf(header))
}

async function readHeader(path: string): Promise<SafetensorsHeader> {
  const start = await readFileHead(path, 8)
  const needed = safetensorsHeadBytes(start.bytes, { totalBytes: start.size })
  const { bytes, size } = await readFileHead(path, needed)
  return readSafetensorsHeader(bytes, { totalBytes: size })
}

function tensorsOf({ entries }: SafetensorsHeader): TensorFacts[] {
  return Array.from(entries, ([name, { dtype, shape, byteLength }]) => ({ name, dtype, shape, bytes: byteLength }))
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
