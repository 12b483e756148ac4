import type { Device } from '../../../platform/index.ts'
import { add, compile, float32, gradients, int32, multiply, sum } from '../../../tensor/index.ts'
import type { FlowStack } from './flow-stack.ts'

/** Takes the noise out of samples of a flow. */
export interface Denoiser {
  /** Values `[sample, value, dimension]` → the same. */
  run(values: Float32Array, labels: Int32Array): Promise<Float32Array>
  dispose(): Promise<void>
}

/**
 * The mean of the clean values given noisy ones, x + ν²·∇log p(x), where p is the density of values with Gaussian noise of deviation ν.
 * Tweedie's formula: Robbins 1956; Zhai et al. 2025 (TARFlow), section 3.2.
 */
export function denoiser(stack: FlowStack, { device, noise }: { readonly device: Device; readonly noise: number }): Denoiser {
  let program: ReturnType<typeof denoiseProgram> | undefined
  return {
    async run(values, labels) {
      program ??= denoiseProgram(stack, device, noise)
      return (await program.run({ values, labels })).clean.data as Float32Array
    },
    dispose: async () => program?.dispose(),
  }
}

function denoiseProgram(stack: FlowStack, device: Device, noise: number) {
  return compile(
    { values: float32('B', stack.slots, stack.dimension), labels: int32('B') },
    ({ values, labels }) => {
      const [score] = gradients(sum(stack.logProb(values, labels)), [values])
      return { clean: add(values, multiply(score!, noise * noise)) }
    },
    { device, frozen: true, name: 'flow-denoise' },
  )
}
