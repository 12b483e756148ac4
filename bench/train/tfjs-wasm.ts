import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import type { RunningArm, TrainArm } from './arm.ts'
import { decayed, type ModelSpec, weightShapes } from './model-spec.ts'
import { add, attention, crossEntropy, embed, gelu, layerNorm, matMul } from './tfjs-operations.ts'
import { withThreads } from './tfjs-threads.ts'

/**
 * TensorFlow.js on its wasm backend (SIMD), tuned: weights and gradients laid out for XNNPACK, one operation with its own gradient
 * per layer part. More than one thread takes a detour, see tfjs-threads.ts.
 */
export function tfjsWasm(threads: number): TrainArm {
  return { name: 'tfjs-wasm', version: '4.22.0', threads, open: (spec, weights) => open(threads, spec, weights) }
}

interface Parameter {
  readonly weight: tf.Variable
  readonly mean: tf.Variable
  readonly square: tf.Variable
  readonly decay: number
}

async function open(threads: number, spec: ModelSpec, weights: ReadonlyMap<string, Float32Array>): Promise<RunningArm> {
  await startBackend(threads)
  const parameters = openParameters(spec, weights)
  const mask = causalMask(spec.context)
  let time = 0
  return {
    async step(x, y) {
      time++
      const loss = tf.tidy(() => trainStep(spec, parameters, mask, x, y, time))
      const value = (await loss.data())[0]!
      loss.dispose()
      return value
    },
    async close() {
      mask.dispose()
      for (const { weight, mean, square } of parameters.values()) tf.dispose([weight, mean, square])
    },
  }
}

async function startBackend(threads: number): Promise<void> {
  const binaries = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))
  wasm.setWasmPaths(`${binaries}/`)
  if (threads === 1) await tf.setBackend('wasm')
  else await withThreads(threads, () => tf.setBackend('wasm'))
  if (wasm.getThreadsCount() !== threads) throw new Error(`tfjs-wasm runs ${wasm.getThreadsCount()} threads; expected ${threads}`)
}

// Kept [in, out]: XNNPACK multiplies only what needs no transpose, all else takes a kernel 10 to 25 times slower.
function openParameters(spec: ModelSpec, weights: ReadonlyMap<string, Float32Array>): ReadonlyMap<string, Parameter> {
  const parameters = new Map<string, Parameter>()
  for (const [name, shape] of weightShapes(spec)) {
    const given = tf.tensor(weights.get(name)!, [...shape])
    const value = decayed(name) ? tf.transpose(given) : given
    parameters.set(name, {
      weight: tf.variable(value, true),
      mean: tf.variable(tf.zerosLike(value), false),
      square: tf.variable(tf.zerosLike(value), false),
      decay: decayed(name) ? spec.weightDecay : 0,
    })
  }
  return parameters
}

/** 0 where a position may look, −1e9 where it may not, [context, context]. */
function causalMask(context: number): tf.Tensor2D {
  const values = new Float32Array(context * context)
  for (let query = 0; query < context; query++) values.fill(-1e9, query * context + query + 1, (query + 1) * context)
  return tf.tensor2d(values, [context, context])
}

type Parameters = ReadonlyMap<string, Parameter>

function trainStep(spec: ModelSpec, parameters: Parameters, mask: tf.Tensor2D, x: Int32Array, y: Int32Array, time: number) {
  const byVariable = new Map([...parameters.values()].map((parameter) => [parameter.weight.name, parameter]))
  const variables = [...parameters.values()].map((parameter) => parameter.weight)
  const { value, grads } = tf.variableGrads(() => lossOf(spec, parameters, mask, x, y), variables)
  const norm = tf.sqrt(tf.addN(Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)))))
  const scale = tf.minimum(1, tf.div(spec.clipNorm, norm))
  for (const [name, gradient] of Object.entries(grads)) adamw(spec, byVariable.get(name)!, gradient, scale, time)
  return value
}

// lr · m̂ / (√v̂ + ε) with the bias corrections moved into two numbers.
function adamw(spec: ModelSpec, parameter: Parameter, gradient: tf.Tensor, scale: tf.Tensor, time: number): void {
  const { beta1, beta2, learningRate, adamEpsilon } = spec
  const correction = Math.sqrt(1 - beta2 ** time)
  tf.tidy(() => {
    const mean = tf.add(tf.mul(parameter.mean, beta1), tf.mul(gradient, tf.mul(scale, 1 - beta1)))
    const squared = tf.mul(tf.square(gradient), tf.mul(tf.square(scale), 1 - beta2))
    const square = tf.add(tf.mul(parameter.square, beta2), squared)
    const direction = tf.div(mean, tf.add(tf.sqrt(square), adamEpsilon * correction))
    const change = tf.mul(direction, (learningRate * correction) / (1 - beta1 ** time))
    const kept = parameter.decay === 0 ? parameter.weight : tf.mul(parameter.weight, 1 - learningRate * parameter.decay)
    parameter.mean.assign(mean)
    parameter.square.assign(square)
    parameter.weight.assign(tf.sub(kept, change))
  })
}

function lossOf(spec: ModelSpec, parameters: Parameters, mask: tf.Tensor2D, x: Int32Array, y: Int32Array): tf.Scalar {
  const matrix = (name: string) => parameters.get(name)!.weight as tf.Tensor as tf.Tensor2D
  let hidden = embed(x, matrix('model.embed_tokens.weight'), matrix('model.positions.weight'))
  for (let layer = 0; layer < spec.layers; layer++) {
    const weight = (name: string) => matrix(`model.layers.${layer}.${name}.weight`)
    const normed = layerNorm(hidden, weight('input_layernorm'), spec.normEpsilon)
    const [q, k, v] = ['q', 'k', 'v'].map((part) => matMul(normed, weight(`self_attn.${part}_proj`)))
    hidden = add(hidden, matMul(attention(spec, q!, k!, v!, mask), weight('self_attn.o_proj')))
    const mlpInput = layerNorm(hidden, weight('post_attention_layernorm'), spec.normEpsilon)
    hidden = add(hidden, matMul(gelu(matMul(mlpInput, weight('mlp.up_proj'))), weight('mlp.down_proj')))
  }
  const logits = matMul(layerNorm(hidden, matrix('model.norm.weight'), spec.normEpsilon), matrix('lm_head.weight'))
  return crossEntropy(logits, y)
}
