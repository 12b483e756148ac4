import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodePicture } from '../../../src/formats/index.ts'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'
import { saveTinyModel } from './picture-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())
const at = (name: string) => join(workspace.path, name)

beforeAll(async () => {
  await saveTinyModel('var', at('var'))
  await saveTinyModel('maskgit', at('maskgit'))
  await saveTinyModel('xar', at('xar'), { labelDrop: 0 })
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
    'var does not take --inner-steps; expected of these: --guidance, --temperature, --top-k, --top-p',
  ],
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
