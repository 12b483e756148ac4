import { openDevice } from 'nextx/platform'
import { compile, float32, matmul, sum, variable } from 'nextx/tensor'
import { max, median } from 'simple-statistics'

export interface Bandwidth {
  /** GB/s of the faster of the two. */
  readonly best: number
  /** Sums of rows. */
  readonly sums: number
  /** Product of a matrix with a vector. */
  readonly product: number
}

/** GB/s at which ONNX Runtime reads a float32 matrix too large for the caches: what decoding, which reads all weights, may hope for. */
export async function readBandwidth(threads: number, repetitions: number, megabytes = 512): Promise<Bandwidth> {
  await using device = await openDevice({ threads })
  const columns = 4096
  const rows = Math.round((megabytes * 2 ** 20) / 4 / columns)
  const matrix = variable({ shape: [rows, columns] })
  await matrix.write(new Float32Array(rows * columns).fill(1e-3))
  const sums = compile({}, () => ({ y: sum(matrix.tensor, 1) }), { device })
  const product = compile({ x: float32(1, columns) }, ({ x }) => ({ y: matmul(x, matrix.tensor, { transposeB: true }) }), {
    device,
  })
  const x = new Float32Array(columns).fill(1)
  const rate = async (run: () => Promise<unknown>) => {
    await run()
    const seconds: number[] = []
    for (let i = 0; i < repetitions; i++) {
      const start = performance.now()
      await run()
      seconds.push((performance.now() - start) / 1e3)
    }
    return (4 * rows * columns) / median(seconds) / 1e9
  }
  const found = { sums: await rate(() => sums.run({})), product: await rate(() => product.run({ x })) }
  await matrix.dispose()
  return { ...found, best: max([found.sums, found.product]) }
}
