import { type Batch, decayed, type ModelSpec } from './model-spec.ts'

/** Weights in double precision, by name. */
export type Weights64 = ReadonlyMap<string, Float64Array>

/** The loss in plain loops and double precision: nothing shared with any arm. */
export function oracleLoss(spec: ModelSpec, weights: Weights64, batch: Batch): number {
  const { context, vocabulary } = spec
  let total = 0
  for (let row = 0; row < spec.batch; row++) {
    const logits = logitsOf(spec, weights, batch.x.subarray(row * context, (row + 1) * context))
    for (let position = 0; position < context; position++) {
      const line = logits.subarray(position * vocabulary, (position + 1) * vocabulary)
      total += logSumExp(line) - line[batch.y[row * context + position]!]!
    }
  }
  return total / (spec.batch * context)
}

/** Losses before each update of clip and AdamW; gradients by central differences, so only for tiny specs. */
export function oracleTraining(spec: ModelSpec, initial: ReadonlyMap<string, Float32Array>, batches: readonly Batch[]): number[] {
  const weights = doubles(initial)
  const mean = zerosLike(weights)
  const square = zerosLike(weights)
  return batches.map((batch, index) => {
    const loss = oracleLoss(spec, weights, batch)
    const gradient = numericalGradient(spec, weights, batch)
    clip(gradient, spec.clipNorm)
    for (const [name, values] of weights) {
      adamw(spec, values, gradient.get(name)!, mean.get(name)!, square.get(name)!, index + 1, decayed(name) ? spec.weightDecay : 0)
    }
    return loss
  })
}

export function doubles(weights: ReadonlyMap<string, Float32Array>): Map<string, Float64Array> {
  return new Map([...weights].map(([name, values]) => [name, Float64Array.from(values)]))
}

function zerosLike(weights: Weights64): Weights64 {
  return new Map([...weights].map(([name, values]) => [name, new Float64Array(values.length)]))
}

function numericalGradient(spec: ModelSpec, weights: Weights64, batch: Batch): Weights64 {
  const step = 1e-5
  const gradient = zerosLike(weights)
  for (const [name, values] of weights) {
    for (let i = 0; i < values.length; i++) {
      const centre = values[i]!
      values[i] = centre + step
      const above = oracleLoss(spec, weights, batch)
      values[i] = centre - step
      const below = oracleLoss(spec, weights, batch)
      values[i] = centre
      gradient.get(name)![i] = (above - below) / (2 * step)
    }
  }
  return gradient
}

function clip(gradient: Weights64, limit: number): void {
  let squares = 0
  for (const values of gradient.values()) for (const value of values) squares += value * value
  const scale = Math.min(1, limit / Math.sqrt(squares))
  for (const values of gradient.values()) for (let i = 0; i < values.length; i++) values[i]! *= scale
}

// Loshchilov and Hutter 2019, algorithm 2, with the decay scaled by the learning rate.
function adamw(
  spec: ModelSpec,
  weight: Float64Array,
  gradient: Float64Array,
  mean: Float64Array,
  square: Float64Array,
  time: number,
  decay: number,
): void {
  const { beta1, beta2, learningRate } = spec
  for (let i = 0; i < weight.length; i++) {
    mean[i] = beta1 * mean[i]! + (1 - beta1) * gradient[i]!
    square[i] = beta2 * square[i]! + (1 - beta2) * gradient[i]! ** 2
    const unbiasedMean = mean[i]! / (1 - beta1 ** time)
    const unbiasedSquare = square[i]! / (1 - beta2 ** time)
    weight[i]! -= learningRate * (unbiasedMean / (Math.sqrt(unbiasedSquare) + spec.adamEpsilon) + decay * weight[i]!)
  }
}

/** Logits [tokens, vocabulary] of one sequence. */
function logitsOf(spec: ModelSpec, weights: Weights64, tokens: Int32Array): Float64Array {
  const { width } = spec
  const hidden = new Float64Array(tokens.length * width)
  for (let t = 0; t < tokens.length; t++) {
    for (let d = 0; d < width; d++) {
      hidden[t * width + d] =
        weights.get('model.embed_tokens.weight')![tokens[t]! * width + d]! + weights.get('model.positions.weight')![t * width + d]!
    }
  }
  for (let layer = 0; layer < spec.layers; layer++) {
    const weight = (name: string) => weights.get(`model.layers.${layer}.${name}.weight`)!
    const attentionInput = layerNorm(hidden, weight('input_layernorm'), spec.normEpsilon)
    const [q, k, v] = ['q', 'k', 'v'].map((part) => linear(attentionInput, weight(`self_attn.${part}_proj`), width))
    addInto(hidden, linear(causalAttention(q!, k!, v!, spec), weight('self_attn.o_proj'), width))
    const mlpInput = layerNorm(hidden, weight('post_attention_layernorm'), spec.normEpsilon)
    const activated = linear(mlpInput, weight('mlp.up_proj'), width).map(gelu)
    addInto(hidden, linear(activated, weight('mlp.down_proj'), spec.mlpWidth))
  }
  const final = layerNorm(hidden, weights.get('model.norm.weight')!, spec.normEpsilon)
  return linear(final, weights.get('lm_head.weight')!, width)
}

function addInto(target: Float64Array, addend: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += addend[i]!
}

/** [rows, inputs] · [outputs, inputs]ᵀ. */
function linear(x: Float64Array, weight: Float64Array, inputs: number): Float64Array {
  const rows = x.length / inputs
  const outputs = weight.length / inputs
  const y = new Float64Array(rows * outputs)
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0
      for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * weight[output * inputs + i]!
      y[row * outputs + output] = sum
    }
  }
  return y
}

function layerNorm(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const width = weight.length
  const y = new Float64Array(x.length)
  for (let start = 0; start < x.length; start += width) {
    const row = x.subarray(start, start + width)
    const mean = row.reduce((sum, value) => sum + value, 0) / width
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width
    for (let d = 0; d < width; d++) y[start + d] = ((row[d]! - mean) / Math.sqrt(variance + epsilon)) * weight[d]!
  }
  return y
}

/** q, k, v and the answer are [tokens, heads * headWidth]. */
function causalAttention(q: Float64Array, k: Float64Array, v: Float64Array, spec: ModelSpec): Float64Array {
  const { width, heads } = spec
  const headWidth = width / heads
  const out = new Float64Array(q.length)
  for (let head = 0; head < heads; head++) {
    for (let t = 0; t < q.length / width; t++) {
      const at = (position: number) => position * width + head * headWidth
      const scores = new Float64Array(t + 1)
      for (let s = 0; s <= t; s++) {
        for (let d = 0; d < headWidth; d++) scores[s]! += (q[at(t) + d]! * k[at(s) + d]!) / Math.sqrt(headWidth)
      }
      const normaliser = logSumExp(scores)
      for (let s = 0; s <= t; s++) {
        const share = Math.exp(scores[s]! - normaliser)
        for (let d = 0; d < headWidth; d++) out[at(t) + d]! += share * v[at(s) + d]!
      }
    }
  }
  return out
}

function logSumExp(values: Float64Array): number {
  const top = values.reduce((a, b) => Math.max(a, b))
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0))
}

function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2))
}

// erf(z) = 2/√π · e^(−z²) · Σ 2ⁿ z^(2n+1) / (2n+1)!!  (DLMF 7.6.2): all terms have one sign, so nothing cancels.
function erf(z: number): number {
  if (Math.abs(z) > 6) return Math.sign(z)
  let term = z
  let sum = z
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * z * z) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum
}
