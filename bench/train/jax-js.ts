import { setFlagsFromString } from 'node:v8'
import type { numpy as Numpy } from '@jax-js/jax'
import type { RunningArm, TrainArm } from './arm.ts'
import { decayed, type ModelSpec, weightShapes } from './model-spec.ts'
import { installWorkers } from './worker-polyfill.ts'

type Library = typeof import('@jax-js/jax')
type Tensor = Numpy.Array
type Tree = Record<string, Tensor>
type State = { weights: Tree; means: Tree; squares: Tree }

const embedding = 'model.embed_tokens.weight'

/**
 * jax-js on its wasm backend, the whole step in one `jit`. Node lacks the browser's `Worker` that jax-js takes for its threads, so
 * with more than one it is given a stand-in; relaxed SIMD (fused multiply-add) is on as it is by default from Node 22 on.
 */
export function jaxJs(threads: number): TrainArm {
  return { name: 'jax-js', version: '0.1.25', threads, open: (spec, weights) => open(threads, spec, weights) }
}

async function open(threads: number, spec: ModelSpec, weights: ReadonlyMap<string, Float32Array>): Promise<RunningArm> {
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd')
  if (threads > 1) installWorkers(threads)
  // Imported late: the backend chooses between one thread and many while it loads.
  const jax = await import('@jax-js/jax')
  await jax.init('wasm')
  jax.defaultDevice('wasm')
  let state = initialState(jax, spec, weights)
  let time = 0
  const jitted = jax.jit(trainStep(jax, spec))
  return {
    async step(x, y) {
      time++
      const shape = [spec.batch * spec.context]
      const [loss, next] = jitted(
        jax.numpy.array(x, { shape }),
        jax.numpy.array(y, { shape }),
        jax.numpy.array(Float32Array.of(1 / (1 - spec.beta1 ** time))),
        jax.numpy.array(Float32Array.of(1 / (1 - spec.beta2 ** time))),
        state,
      )
      state = next
      await jax.blockUntilReady(state)
      return (await loss.data())[0]!
    },
    async close() {
      jax.tree.dispose(state)
      jitted.dispose()
    },
  }
}

function initialState(jax: Library, spec: ModelSpec, weights: ReadonlyMap<string, Float32Array>): State {
  const state: State = { weights: {}, means: {}, squares: {} }
  for (const [name, shape] of packedShapes(spec)) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
    values.set(weights.get(name)!)
    state.weights[name] = jax.numpy.array(values, { shape: [...shape] })
    state.means[name] = jax.numpy.array(new Float32Array(values.length), { shape: [...shape] })
    state.squares[name] = jax.numpy.array(new Float32Array(values.length), { shape: [...shape] })
  }
  return state
}

// A table of 65 rows defeats SIMD in its gradient (100 ms a step), so it gets rows of zeros that nothing looks up.
function packedShapes(spec: ModelSpec): ReadonlyMap<string, readonly number[]> {
  return new Map(
    [...weightShapes(spec)].map(([name, [rows, ...rest]]) => [
      name,
      [name === embedding ? Math.ceil(rows! / 16) * 16 : rows!, ...rest],
    ]),
  )
}

function trainStep(jax: Library, spec: ModelSpec) {
  return (x: Tensor, y: Tensor, meanScale: Tensor, squareScale: Tensor, state: State): [Tensor, State] => {
    const lossAndGradient = jax.valueAndGrad(lossOf(jax, spec))
    const [loss, gradients] = lossAndGradient(jax.tree.ref(state.weights), x, y)
    return [loss, adamw(jax, spec, state, gradients as Tree, meanScale, squareScale)]
  }
}

function adamw(jax: Library, spec: ModelSpec, state: State, gradients: Tree, meanScale: Tensor, squareScale: Tensor): State {
  const np = jax.numpy
  const names = Object.keys(gradients)
  const norm = np.sqrt(names.map((name) => np.square(gradients[name]!.ref).sum()).reduce((a, b) => a.add(b)))
  const scale = np.minimum(np.reciprocal(norm).mul(spec.clipNorm), 1)
  const next: State = { weights: {}, means: {}, squares: {} }
  for (const name of names) {
    const gradient = gradients[name]!.mul(scale.ref)
    const mean = state.means[name]!.mul(spec.beta1).add(gradient.ref.mul(1 - spec.beta1))
    const square = state.squares[name]!.mul(spec.beta2).add(np.square(gradient).mul(1 - spec.beta2))
    const kept = state.weights[name]!.mul(decayed(name) ? 1 - spec.learningRate * spec.weightDecay : 1)
    const root = np.sqrt(square.ref.mul(squareScale.ref)).add(spec.adamEpsilon)
    const change = mean.ref.mul(meanScale.ref).mul(spec.learningRate).div(root)
    next.weights[name] = kept.sub(change)
    next.means[name] = mean
    next.squares[name] = square
  }
  jax.tree.dispose([scale, meanScale, squareScale])
  return next
}

function lossOf(jax: Library, spec: ModelSpec) {
  const np = jax.numpy
  return (weights: Tree, x: Tensor, y: Tensor): Tensor => {
    const { batch, context, width, vocabulary } = spec
    const positions = weights['model.positions.weight']!
    const table = weights[embedding]!
    const embedded = np.matmul(jax.nn.oneHot(x, table.shape[0]!), table)
    let hidden = embedded
      .reshape([batch, context, width])
      .add(positions)
      .reshape([batch * context, width])
    for (let layer = 0; layer < spec.layers; layer++) {
      const weight = (name: string) => weights[`model.layers.${layer}.${name}.weight`]!
      const attentionInput = layerNorm(jax, hidden.ref, weight('input_layernorm'), spec.normEpsilon)
      hidden = hidden.add(attention(jax, spec, attentionInput, weight))
      const mlpInput = layerNorm(jax, hidden.ref, weight('post_attention_layernorm'), spec.normEpsilon)
      const activated = jax.nn.gelu(linear(jax, mlpInput, weight('mlp.up_proj')), { approximate: false })
      hidden = hidden.add(linear(jax, activated, weight('mlp.down_proj')))
    }
    const final = layerNorm(jax, hidden, weights['model.norm.weight']!, spec.normEpsilon)
    const logits = linear(jax, final, weights['lm_head.weight']!)
    return jax.nn
      .logSoftmax(logits)
      .mul(jax.nn.oneHot(y, vocabulary))
      .sum()
      .mul(-1 / (batch * context))
  }
}

/** [rows, inputs] · [outputs, inputs]ᵀ. */
function linear(jax: Library, x: Tensor, weight: Tensor): Tensor {
  return jax.numpy.matmul(x, weight.transpose())
}

function layerNorm(jax: Library, x: Tensor, weight: Tensor, epsilon: number): Tensor {
  const np = jax.numpy
  const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }))
  const variance = np.mean(np.square(centred.ref), -1, { keepdims: true })
  return centred.div(np.sqrt(variance.add(epsilon))).mul(weight)
}

function attention(jax: Library, spec: ModelSpec, x: Tensor, weight: (name: string) => Tensor): Tensor {
  const np = jax.numpy
  const { batch, context, heads, width } = spec
  const headWidth = width / heads
  const split = (part: string): Tensor =>
    linear(jax, x.ref, weight(`self_attn.${part}_proj`))
      .reshape([batch, context, heads, headWidth])
      .transpose([0, 2, 1, 3])
  const [q, k, v] = [split('q'), split('k'), split('v')]
  x.dispose()
  // [batch, heads, query, key]
  const scores = np.matmul(q, k.transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(headWidth))
  const visible = np.tri(context, context, 0, { dtype: np.bool })
  const shares = jax.nn.softmax(np.where(visible, scores, -1e30))
  const mixed = np
    .matmul(shares, v)
    .transpose([0, 2, 1, 3])
    .reshape([batch * context, width])
  return linear(jax, mixed, weight('self_attn.o_proj'))
}
