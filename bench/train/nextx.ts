import { loadWeights, nameVariables, parameters } from 'nextx/nn'
import { negativeLogLikelihood } from 'nextx/objectives'
import { raster } from 'nextx/orders'
import { openDevice } from 'nextx/platform'
import gpt from 'nextx/systems/text/gpt'
import { compile, constant, float32, gradients, int32 } from 'nextx/tensor'
import { adamw, clipByGlobalNorm } from 'nextx/train'
import type { RunningArm, TrainArm } from './arm.ts'
import { decayed, type ModelSpec, weightShapes } from './model-spec.ts'

/** nextx on onnxruntime-node, as `fit` would run it: one program for loss, gradients, clipping and update. */
export function nextx(threads: number): TrainArm {
  return { name: 'nextx', version: 'this commit', threads, open: (spec, weights) => open(spec, weights, threads, false) }
}

/** The same with proven in-place updates instead of second buffers. */
export function nextxInPlace(threads: number): TrainArm {
  return { name: 'nextx in place', version: 'this commit', threads, open: (spec, weights) => open(spec, weights, threads, true) }
}

/** The traced step of the benchmark's model, ready to run. */
export async function trainingStep(spec: ModelSpec, weights: ReadonlyMap<string, Float32Array>, threads: number, inPlace: boolean) {
  const device = await openDevice({ threads })
  const network = gpt.build({
    vocabularySize: spec.vocabulary,
    context: spec.context,
    width: spec.width,
    layers: spec.layers,
    heads: spec.heads,
    hidden: spec.mlpWidth,
    bias: false,
    head: 'separate',
  })
  nameVariables(network)
  const shapes = weightShapes(spec)
  await loadWeights(
    network,
    new Map([...weights].map(([name, data]) => [name, { dtype: 'float32', shape: shapes.get(name)!, data }])),
  )
  const plan = raster().plan({ parts: [{ shape: [spec.context] }] })
  const trained = parameters(network)
  const optimizer = adamw({
    betas: [spec.beta1, spec.beta2],
    epsilon: spec.adamEpsilon,
    weightDecay: spec.weightDecay,
    decays: ({ name }) => decayed(name),
  })(trained)
  const predictor = { backbone: network.model, head: network.lm_head }
  const size = [spec.batch, spec.context] as const
  const everything = constant(new Float32Array(spec.batch * spec.context).fill(1), size)
  const program = compile(
    { x: int32(...size), y: int32(...size), rate: float32() },
    ({ x, y, rate }) => {
      const loss = negativeLogLikelihood(predictor, plan, x, y, everything)
      const { gradients: clipped } = clipByGlobalNorm(gradients(loss, trained), spec.clipNorm)
      return { loss, updates: optimizer.update(clipped, rate) }
    },
    { device, inPlace },
  )
  return { program, device }
}

async function open(
  spec: ModelSpec,
  weights: ReadonlyMap<string, Float32Array>,
  threads: number,
  inPlace: boolean,
): Promise<RunningArm> {
  const { program, device } = await trainingStep(spec, weights, threads, inPlace)
  const rate = Float32Array.of(spec.learningRate)
  return {
    step: async (x, y) => Number((await program.run({ x, y, rate })).loss.data[0]),
    close: async () => {
      await device[Symbol.asyncDispose]()
    },
  }
}
