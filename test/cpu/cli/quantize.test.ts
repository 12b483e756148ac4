import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { writeGguf } from '../../../bench/lib/gguf-writer.ts'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())

const story = 'Once upon a time, there was a little girl named Lily. She liked to play with her red ball in the park. '

test('writes a model that other commands take, and says what it costs', async () => {
  const [text, out] = [workspace.file('story.txt', story), join(workspace.path, 'eight')]
  const { code, stdout, stderr } = await runCli(['quantize', 'stories260K', '--bits', '8', '--text', text, '--out', out, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const outcome = JSON.parse(stdout) as { score: Record<'before' | 'after', { perplexity: number }>; matrices: unknown[] }
  expect(outcome).toMatchObject({ bits: 8, blockSize: 32, method: 'nearest', bytes: { before: 260_032 * 4 } })
  expect(outcome.matrices).toHaveLength(36)
  for (const [model, { perplexity }] of [
    ['stories260K', outcome.score.before],
    [out, outcome.score.after],
  ] as const) {
    const { stdout: score } = await runCli(['score', model, text, '--json'])
    expect(JSON.parse(score)).toMatchObject({ perplexity })
  }
  const { stdout: page } = await runCli(['inspect', out])
  expect(page).toMatch(/model\.layers\.\*\.mlp\.up_proj\.weight\.blocks +× 5 +uint8/)
})

test('with a calibration text and kept matrices, as a table', async () => {
  const [text, out] = [workspace.file('long.txt', story.repeat(10)), join(workspace.path, 'four')]
  const args = ['--block', '128', '--calibration', text, '--clip', 'search', '--keep', 'embed_tokens', '--text', text]
  const { code, stdout } = await runCli(['quantize', 'stories260K', ...args, '--out', out])
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /format +4 bits in blocks of 128, gptq\nmatrices +35, in 0:\d\d\nsize +1,015\.8 KiB → [\d.]+ KiB, [\d.]+%\n/,
  )
  expect(stdout).toMatch(/perplexity +\d\.\d{4} +\d\.\d{4} +-?[\d.]+%\nnats per token .*\nbits per byte /)
  const { quantization } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as {
    quantization: object
  }
  expect(quantization).toEqual({ bits: 4, blockSize: 128, except: { 'model.embed_tokens.weight': null } })
})

test('a GGUF file is widened first, and a head that shares the embeddings is kept by its own name', async () => {
  const sizes = { contextLength: 64, width: 64, layers: 1, heads: 4, keyValueHeads: 2, headWidth: 16, hidden: 96 }
  const [path, out] = [join(workspace.path, 'blocks.GGUF'), join(workspace.path, 'from-gguf')]
  await writeGguf(path, { architecture: 'llama', ...sizes, vocabularySize: 352, tiedHead: true }, { type: 'q4_0' })
  const { code, stderr } = await runCli(['quantize', path, '--bits', '8', '--keep', 'lm_head', '--out', out])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { quantization } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { quantization: object }
  expect(quantization).toEqual({ bits: 8, blockSize: 32, except: { 'model.embed_tokens.weight': null } })
  const again = await runCli(['quantize', out, '--out', join(workspace.path, 'again')])
  expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/the model is quantised already/) as string })
})

describe('is refused', () => {
  const out = join(workspace.path, 'never')
  test.each([
    ['other bits', ['--bits', '5'], 2, /argument '5' is invalid\. Expected one of 4, 8\./],
    ['other blocks', ['--block', '24'], 2, /Expected one of 16, 32, 64, 128, 256\./],
    ['gptq without a text', ['--method', 'gptq'], 2, /'--method gptq' needs '--calibration <file>'/],
    ['nearest with one', ['--method', 'nearest', '--calibration', 'x'], 2, /cannot be used with option '--calibration'/],
    ['two texts in one stdin', ['--calibration', '-', '--text', '-'], 2, /stdin cannot be both texts/],
    ['a missing text', ['--text', 'no-such-file'], 1, /cannot read 'no-such-file'/],
    ['nothing to quantise', ['--keep', 'weight'], 1, /no matrix is selected/],
    [
      'a part that is in no name',
      ['--keep', 'lm_head', 'nosuch'],
      1,
      /--keep nosuch: no matrix has it in its name; .*model\.embed/,
    ],
  ])('%s', async (_name, args, code, message) => {
    const result = await runCli(['quantize', 'stories260K', '--out', out, ...args])
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) as string })
    expect(existsSync(out)).toBe(false)
  })

  test('a folder that exists, before anything starts', async () => {
    const { code, stderr } = await runCli(['quantize', 'no-such-model', '--out', workspace.path])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/exists already; give another folder with --out/) as string,
    })
  })
})
