import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodePicture, encodePng } from '../../../src/formats/index.ts'
import { patches } from '../../../src/tokenizers/index.ts'
import { resultOf, runCli, startCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'
import { picture, saveTinyModel } from './picture-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())
const at = (name: string) => join(workspace.path, name)

beforeAll(async () => {
  await saveTinyModel('var', at('var'))
  await saveTinyModel('maskgit', at('maskgit'))
  await saveTinyModel('xar', at('xar'), { labelDrop: 0 })
  await saveTinyModel('starflow', at('starflow'))
  await saveTinyModel('flexvar', at('flexvar'))
  // Its values are pixels: 2 × 2 patches, each a cell.
  await saveTinyModel('xar', at('pixels'), {}, () => patches({ picture, size: 4 }))
})

const seeded = ['--seed', '1', '--threads', '1']

test('draws pictures into a PNG file, the same for the same seed', async () => {
  const draw = async (out: string, ...args: string[]) => {
    const wanted = ['generate', at('var'), '--class', 'light', '--guidance', '2', ...seeded, '--out', at(out)]
    const result = await runCli([...wanted, ...args])
    expect(result).toEqual({ code: 0, stdout: '', stderr: `wrote ${at(out)}\n` })
    return decodePicture(readFileSync(at(out)))
  }
  const grid = await draw('a.png', '--n', '6', '--columns', '3', '--scale', '2')
  expect(grid).toMatchObject({ channels: 1, height: 2 * (16 + 2) + 2, width: 3 * (16 + 2) + 2 })
  expect((await draw('b.png', '--n', '6', '--columns', '3', '--scale', '2')).pixels).toEqual(grid.pixels)
  expect((await draw('c.png', '--n', '6', '--columns', '3', '--scale', '2', '--seed', '2')).pixels).not.toEqual(grid.pixels)
  // A file is overwritten, as export does it.
  expect(await draw('a.png')).toMatchObject({ height: 12, width: 12 })
})

test('--json tells steps, seconds and passes of the network; --steps is the masked order’s', async () => {
  const args = ['--class', '0', '1', '--n', '3', '--steps', '2', '--guidance', '1.5', '--out', at('m.png'), '--json']
  const { code, stdout, stderr } = await runCli(['generate', at('maskgit'), ...seeded, ...args])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const facts = JSON.parse(stdout) as { steps: { settled: number; seconds: number }[]; seconds: number }
  expect(facts).toMatchObject({ out: at('m.png'), pictures: 3, seed: 1, classes: [0, 1, 0], evaluations: { backbone: 2, head: 0 } })
  expect(facts.steps).toHaveLength(2)
  expect(facts.steps[1]!.settled).toBe(3 * 4)
  expect(facts.seconds).toBe(facts.steps[1]!.seconds)
})

test('--preview shows every step as letters in a pipe, and --stats what it took', async () => {
  const { code, stdout, stderr } = await runCli(['generate', at('var'), '--n', '2', ...seeded, '--preview', '--stats'])
  expect(code).toBe(0)
  const lines = stdout.trimEnd().split('\n')
  // Two steps: 2 pictures of 8 × 8 with gaps, two pixels a line, and what step it is.
  expect(lines).toHaveLength(2 * (5 + 1))
  expect([lines[5], lines[11]]).toEqual(['step 1 of 2', 'step 2 of 2'])
  expect(lines[0]).toHaveLength(2 * 9 + 1)
  expect(stdout).not.toContain('\u001b')
  expect(stderr).toMatch(/^2 pictures in \d+\.\d\d s, 2 steps\n\d passes of the network\nseed 1\n$/)
})

/** The picture that these arguments draw, without the gap around it. */
async function drawn(model: string, ...args: string[]): Promise<Uint8Array> {
  const result = await runCli(['generate', at(model), ...args, ...seeded, '--out', at('drawn.png')])
  expect(result).toEqual({ code: 0, stdout: '', stderr: `wrote ${at('drawn.png')}\n` })
  const { pixels, height, width } = await decodePicture(readFileSync(at('drawn.png')))
  return pixels.filter((_, i) => {
    const [y, x] = [Math.floor(i / width), i % width]
    return y >= 2 && y < height - 2 && x >= 2 && x < width - 2
  })
}

test('--inverse is another way to the same pictures', async () => {
  const exact = await drawn('starflow')
  const other = await drawn('starflow', '--inverse', 'jacobi')
  expect(Math.max(...other.map((pixel, i) => Math.abs(pixel - exact[i]!)))).toBeLessThanOrEqual(1)
})

test('--schedule and --size draw on other scales', async () => {
  const args = ['--schedule', '1,2,3x4', '--size', '3x4', ...seeded, '--out', at('wide.png'), '--json']
  const { code, stdout } = await runCli(['generate', at('flexvar'), ...args])
  expect(code).toBe(0)
  const facts = JSON.parse(stdout) as { steps: { settled: number }[] }
  expect(facts).toMatchObject({ size: { channels: 1, height: 12, width: 16 } })
  expect(facts.steps.map(({ settled }) => settled)).toEqual([1, 1 + 2 * 3, 1 + 2 * 3 + 12])
})

test('--image and --keep draw the rest of a picture anew', async () => {
  const pixels = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256)
  writeFileSync(at('image.png'), encodePng({ ...picture, count: 1, pixels }))
  const kept = (found: Uint8Array) =>
    Array.from({ length: 4 }, (_, cell) => {
      const at = [...found.keys()].filter((i) => 2 * Math.floor(i / 32) + Math.floor((i % 8) / 4) === cell)
      return at.every((i) => found[i] === pixels[i])
    })
  const edited = async (...args: string[]) => kept(await drawn('pixels', '--image', at('image.png'), ...args))
  expect(await edited('--keep', '0,0,4,8')).toEqual([true, true, false, false])
  expect(await edited('--keep', '0,0,4,4', '4,4,4,4')).toEqual([true, false, false, true])
  // The column of a cell that is not kept has it drawn anew.
  expect(await edited('--keep', '0,0,8,7')).toEqual([true, false, true, false])
  const mask = Uint8Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 255 : 127))
  writeFileSync(at('mask.png'), encodePng({ ...picture, count: 1, pixels: mask }))
  expect(await edited('--keep', at('mask.png'))).toEqual([true, false, true, false])
  const args = ['--image', at('image.png'), '--kept-scales', '1', '--n', '2', ...seeded, '--out', at('finer.png'), '--json']
  const { stdout } = await runCli(['generate', at('var'), ...args])
  expect(JSON.parse(stdout)).toMatchObject({ pictures: 2, steps: [{ settled: 2 }, { settled: 2 * 5 }] })
})

test('pictures of another size are brought to the model’s when asked to', async () => {
  writeFileSync(at('large.png'), encodePng({ channels: 3, height: 16, width: 16, count: 1, pixels: new Uint8Array(768).fill(90) }))
  const args = ['generate', at('pixels'), '--image', at('large.png'), '--keep', '0,0,4,8', ...seeded, '--out', at('large-out.png')]
  const refused = await runCli(args)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: pictures of 3 × 16 × 16 [^\n]*\n$/) as string })
  expect((await drawn('pixels', '--image', at('large.png'), '--keep', '0,0,4,8', '--resize', 'stretch')).subarray(0, 32)).toEqual(
    new Uint8Array(32).fill(90),
  )
})

test('Ctrl-C ends it with code 130, without a file', async () => {
  const child = startCli(['generate', 'garments', '--n', '400', ...seeded, '--preview', '--out', at('never.png')])
  await once(child.stdout, 'readable')
  child.kill('SIGINT')
  expect(await resultOf(child)).toMatchObject({ code: 130, stderr: '' })
  expect(existsSync(at('never.png'))).toBe(false)
})

test.each([
  ['no place to show them', ['var'], 'there is no terminal to show the pictures on; give a file with --out <file.png>'],
  ['a file of another kind', ['var', '--out', 'x.jpg'], '--out "x.jpg" is no PNG file; expected a name that ends with .png'],
  ['an option of text', ['var', '--echo', '--out', 'x.png'], "--echo is for text, and the model '"],
  ['a prompt', ['var', 'a cat', '--out', 'x.png'], "a prompt is for text, and the model '"],
  [
    'a class that there is not',
    ['var', '--class', 'green', '--out', 'x.png'],
    'there is no class "green"; expected 0 (dark), 1 (light)',
  ],
  ['a class beyond the last', ['var', '--class', '2', '--out', 'x.png'], 'there is no class 2; expected 0 (dark), 1 (light)'],
  [
    'an option of another method',
    ['var', '--inner-steps', '3', '--out', 'x.png'],
    'var does not take --inner-steps; expected of these: --guidance, --guidance-schedule, --temperature, --top-k, --top-p',
  ],
  ['scales of a method that has its own', ['var', '--schedule', '1,2', '--out', 'x.png'], 'var does not take --schedule'],
  ['an inverse of what is no flow', ['var', '--inverse', 'auto', '--out', 'x.png'], 'var does not take --inverse'],
  ['a choice of what masks nothing', ['var', '--selection', 'random', '--out', 'x.png'], 'var does not take --selection'],
  ['guidance without a class', ['var', '--guidance', '2', '--out', 'x.png'], 'guidance of pictures without a class'],
  ['a picture that is not there', ['var', '--image', 'no.png', '--keep', '0,0,4,4', '--out', 'x.png'], 'no file matches'],
  ['more steps than values', ['maskgit', '--steps', '9', '--out', 'x.png'], 'steps'],
  ['guidance without label drop', ['xar', '--class', '0', '--guidance', '2', '--out', 'x.png'], 'guidance'],
  ['sizes of a file that there is not', ['var', '--preview', '--scale', '2'], '--columns and --scale are of a file'],
])('%s is refused in one line', async (_name, [model, ...args], problem) => {
  const { code, stdout, stderr } = await runCli(['generate', at(model!), ...args, '--threads', '1'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^error: [^\n]*\n$/)
  expect(stderr).toContain(problem)
  expect(existsSync('x.png')).toBe(false)
})

test('options of pictures are refused for text, and models of pictures by what reads text', async () => {
  const text = await runCli(['generate', 'stories260K', 'Once', '--guidance', '2'])
  expect(text).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^error: --guidance is for pictures, and the model 'stories260K' is of text; [^\n]*\n$/,
    ) as string,
  })
  const exported = await runCli(['export', at('var'), '--out', at('var.onnx')])
  expect(exported.stderr).toMatch(/^error: the model '.*var' is of pictures; expected a language model\n$/)
  expect(readdirSync(workspace.path)).not.toContain('var.onnx')
})

test('the model that ships with nextx knows its garments: trousers have two legs, shirts do not', async () => {
  const columnsOf = async (garment: string) => {
    const out = at(`${garment}.png`)
    const args = ['--class', garment, '--n', '8', '--columns', '8', '--guidance', '1.5', ...seeded, '--out', out]
    expect(await runCli(['generate', 'garments', ...args])).toMatchObject({ code: 0 })
    const { pixels, width } = await decodePicture(readFileSync(out))
    // Mean brightness of the lower half of all eight, in the middle and a sixth of the width beside it.
    const mean = (...columns: number[]) => {
      const lower = Array.from({ length: 8 }, (_, i) => Array.from({ length: 10 }, (_, y) => [i * 30 + 2, (y + 18) * width])).flat()
      const values = lower.flatMap(([left, row]) => columns.map((x) => pixels[row! + left! + x]!))
      return values.reduce((sum, value) => sum + value, 0) / values.length
    }
    return { middle: mean(13, 14), beside: mean(9, 10, 17, 18) }
  }
  const [trousers, pullover] = [await columnsOf('trousers'), await columnsOf('pullover')]
  expect(trousers.middle).toBeLessThan(0.7 * trousers.beside)
  expect(pullover.middle).toBeGreaterThan(0.7 * pullover.beside)
})

test('inspect tells what a model of pictures is made of', async () => {
  const { code, stdout } = await runCli(['inspect', 'garments'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^system\n {2}id +var\n[\s\S]*\ntokenizer\n {2}kind +multi-scale\n[\s\S]*classes +T-shirt, trousers, /)
  expect(stdout).toContain('used as float32')
})
