import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodePng } from '../../../src/formats/index.ts'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'
import { bars, saveTinyModel, writePictures } from './picture-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())
const at = (name: string) => join(workspace.path, name)

interface Score {
  readonly pictures: number
  readonly values: number
  readonly logProbs: readonly number[]
  readonly natsPerPicture: number
  readonly bitsPerDimension?: number
}

async function scoreOf(...args: string[]): Promise<Score> {
  const { code, stdout, stderr } = await runCli(['score', ...args, '--json', '--threads', '1'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Score
}

beforeAll(async () => {
  await saveTinyModel('starflow', at('starflow'))
  await saveTinyModel('var', at('var'))
  await saveTinyModel('maskgit', at('maskgit'))
  writePictures(at('pictures'), bars(6))
  writeFileSync(at('wide.png'), encodePng(bars(1, { channels: 1, height: 8, width: 16 })))
  writeFileSync(at('cut.png'), encodePng(bars(1)).subarray(0, 60))
  workspace.folder('empty')
})

test('nats and bits per dimension of a folder, with the classes of its subfolders', async () => {
  const score = await scoreOf(at('starflow'), at('pictures'))
  expect(score).toMatchObject({ pictures: 6, values: 64 })
  expect(score.natsPerPicture).toBeCloseTo(-score.logProbs.reduce((sum, one) => sum + one, 0) / 6, 6)
  expect(score.bitsPerDimension).toBeCloseTo((score.natsPerPicture / 64 + Math.log(127.5)) / Math.LN2, 6)
  const { stdout } = await runCli(['score', at('starflow'), at('pictures')])
  expect(stdout).toMatch(
    /^ +nats +bits\nper picture +\S+ +\S+\nper value +\S+ +\S+\n\nbits per dimension +\d\.\d{4}\npictures +6\n/,
  )
})

test('ids have probabilities; a class is given, or left open', async () => {
  const labelled = await scoreOf(at('var'), at('pictures'))
  expect(labelled.bitsPerDimension).toBeUndefined()
  expect(labelled.values).toBe(5)
  const one = await scoreOf(at('var'), join(at('pictures'), 'light', '001.png'), '--class', 'light')
  expect(one.logProbs[0]).toBeCloseTo(labelled.logProbs[3]!, 4)
  const open = await scoreOf(at('var'), join(at('pictures'), 'light', '001.png'))
  expect(open.logProbs[0]).not.toBeCloseTo(one.logProbs[0]!, 4)
})

test('pictures of another size, once asked to be resized', async () => {
  expect(await scoreOf(at('var'), at('wide.png'), '--resize', 'cover')).toMatchObject({ pictures: 1 })
})

test.each([
  ['another size', () => ['var', at('wide.png')], 'pictures of 1 × 8 × 16 for the tokenizer multi-scale; expected 1 × 8 × 8'],
  ['a file that is cut off', () => ['var', at('cut.png')], "cannot read '"],
  ['an empty folder', () => ['var', at('empty')], 'no file matches'],
  ['a missing file', () => ['var', at('none.png')], 'there is no such file or folder'],
  ['a model without a likelihood', () => ['maskgit', at('pictures')], 'maskgit has no exact likelihood'],
  ['an option of text', () => ['var', at('pictures'), '--context', '5'], '--context is for text'],
])('%s is refused in one line', async (_name, args, problem) => {
  const [model, ...rest] = args()
  const { code, stdout, stderr } = await runCli(['score', at(model!), ...rest])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^error: [^\n]*\n$/)
  expect(stderr).toContain(problem)
})
