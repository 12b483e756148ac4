import { openDevice } from 'nextx/platform'
import { compile, float32, matmul, sum } from 'nextx/tensor'

/**
 * GFLOPS of plain f32 products `[2048, 256] · [256, 1024]` (the benchmark's largest kind), eight in a graph, with weights fed as the
 * training step feeds them.
 */
export async function gemmRate(threads: number, repetitions: number): Promise<number[]> {
  const device = await openDevice({ threads })
  const [rows, inner, columns, products] = [2048, 256, 1024, 8]
  const names = Array.from({ length: products }, (_, i) => `w${i}`)
  const specs = { x: float32(rows, inner), ...Object.fromEntries(names.map((name) => [name, float32(columns, inner)])) }
  const program = compile(
    specs,
    (inputs: Readonly<Record<string, ReturnType<typeof sum>>>) => {
      const all = names.map((name) => sum(matmul(inputs.x!, inputs[name]!, { transposeB: true }), 1))
      return Object.fromEntries(all.map((result, i) => [`y${i}`, result]))
    },
    { device },
  )
  const fill = (length: number) => new Float32Array(length).map((_, i) => Math.sin(i))
  const feeds = { x: fill(rows * inner), ...Object.fromEntries(names.map((name) => [name, fill(columns * inner)])) }
  await program.run(feeds)
  const rates: number[] = []
  for (let i = 0; i < repetitions; i++) {
    const start = performance.now()
    await program.run(feeds)
    rates.push((2 * rows * inner * columns * products) / (performance.now() - start) / 1e6)
  }
  await device[Symbol.asyncDispose]()
  return rates
}
