import { existsSync, readFileSync } from 'node:fs'
import { uniformGenerator } from '../lib/random.ts'

/** The model, the batch and the optimiser: equal in every arm. */
export interface ModelSpec {
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly mlpWidth: number
  readonly context: number
  readonly batch: number
  readonly vocabulary: number
  readonly normEpsilon: number
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  readonly adamEpsilon: number
  readonly weightDecay: number
  /** Gradients are scaled by min(1, clipNorm / their global norm). */
  readonly clipNorm: number
}

export interface Batch {
  /** Inputs, [batch * context]. */
  readonly x: Int32Array
  /** Targets, [batch * context]. */
  readonly y: Int32Array
}

export const benchSpec: ModelSpec = {
  layers: 6,
  width: 256,
  heads: 8,
  mlpWidth: 1024,
  context: 128,
  batch: 16,
  vocabulary: 65,
  normEpsilon: 1e-5,
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  adamEpsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
}

/** Small enough for the oracle to differentiate numerically; its optimiser is set so that clip and decay show in the losses. */
export const tinySpec: ModelSpec = {
  ...benchSpec,
  layers: 2,
  width: 8,
  heads: 2,
  mlpWidth: 16,
  context: 8,
  batch: 2,
  vocabulary: 5,
  learningRate: 1e-2,
  weightDecay: 0.5,
  clipNorm: 0.5,
}

/** Every weight's name and shape, in order; a linear is [out, in] and computes y = x·Wᵀ. */
export function weightShapes(spec: ModelSpec): ReadonlyMap<string, readonly number[]> {
  const { width, mlpWidth, vocabulary, context } = spec
  const shapes = new Map<string, readonly number[]>([
    ['model.embed_tokens.weight', [vocabulary, width]],
    ['model.positions.weight', [context, width]],
  ])
  for (let layer = 0; layer < spec.layers; layer++) {
    const prefix = `model.layers.${layer}`
    shapes.set(`${prefix}.input_layernorm.weight`, [width])
    for (const part of ['q', 'k', 'v', 'o']) shapes.set(`${prefix}.self_attn.${part}_proj.weight`, [width, width])
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [width])
    shapes.set(`${prefix}.mlp.up_proj.weight`, [mlpWidth, width])
    shapes.set(`${prefix}.mlp.down_proj.weight`, [width, mlpWidth])
  }
  shapes.set('model.norm.weight', [width])
  shapes.set('lm_head.weight', [vocabulary, width])
  return shapes
}

/** Whether weight decay applies: the linears (the output head is one), not the norms, not the embeddings. */
export function decayed(name: string): boolean {
  return name.endsWith('_proj.weight') || name === 'lm_head.weight'
}

function fillNormal(values: Float32Array, deviation: number, uniform: () => number): Float32Array {
  for (let i = 0; i < values.length; i++) {
    values[i] = deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  }
  return values
}

/** Normal(0, deviation) for matrices, ones for norms. */
export function initialWeights(seed: number, spec: ModelSpec = benchSpec, deviation = 0.02): ReadonlyMap<string, Float32Array> {
  const uniform = uniformGenerator(seed)
  const weights = new Map<string, Float32Array>()
  for (const [name, shape] of weightShapes(spec)) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
    weights.set(name, shape.length === 1 ? values.fill(1) : fillNormal(values, deviation, uniform))
  }
  return weights
}

/**
 * Forward and backward. Matrix products with weights: 2 per parameter and token forward, twice that backward, 6 in all (embedding
 * look-ups count nothing). Attention: q·k and p·v cost 2·context·width each per layer and token forward, 12·context·width with the
 * backward pass; the causal half is not deducted.
 */
export function floatingOperationsPerStep(spec: ModelSpec): number {
  const tokens = spec.batch * spec.context
  const perLayer = 4 * spec.width * spec.width + 2 * spec.width * spec.mlpWidth
  const matrixParameters = spec.layers * perLayer + spec.vocabulary * spec.width
  return 6 * matrixParameters * tokens + 12 * spec.layers * spec.width * spec.context * tokens
}

/** The text's distinct characters in code-unit order are the vocabulary; windows start at seeded random places. */
export function realBatches(text: string, spec: ModelSpec, steps: number, seed = 1): Batch[] {
  const characters = [...new Set(text)].sort()
  if (characters.length !== spec.vocabulary) {
    throw new Error(`the text has ${characters.length} distinct characters; expected the vocabulary's ${spec.vocabulary}`)
  }
  const ids = new Map(characters.map((character, id) => [character, id]))
  const encoded = Int32Array.from(text, (character) => ids.get(character)!)
  return windows(encoded, spec, steps, uniformGenerator(seed))
}

/** Uniformly random tokens, for the tiny spec. */
export function randomBatches(spec: ModelSpec, steps: number, seed = 1): Batch[] {
  const uniform = uniformGenerator(seed)
  const stream = Int32Array.from({ length: 64 * spec.context }, () => Math.floor(uniform() * spec.vocabulary))
  return windows(stream, spec, steps, uniform)
}

function windows(stream: Int32Array, spec: ModelSpec, steps: number, uniform: () => number): Batch[] {
  const { batch, context } = spec
  return Array.from({ length: steps }, () => {
    const x = new Int32Array(batch * context)
    const y = new Int32Array(batch * context)
    for (let row = 0; row < batch; row++) {
      const start = Math.floor(uniform() * (stream.length - context))
      x.set(stream.subarray(start, start + context), row * context)
      y.set(stream.subarray(start + 1, start + context + 1), row * context)
    }
    return { x, y }
  })
}

/** Tiny Shakespeare from `data/` or from the folder that NEXTX_DATA names; undefined where neither has it. */
export function readTinyShakespeare(): string | undefined {
  const folders = ['data', process.env.NEXTX_DATA].filter((folder) => folder !== undefined)
  const path = folders.map((folder) => `${folder}/text/tinyshakespeare/input.txt`).find((candidate) => existsSync(candidate))
  return path === undefined ? undefined : readFileSync(path, 'utf8')
}
