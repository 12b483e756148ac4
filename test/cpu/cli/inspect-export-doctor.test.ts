import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { afterAll, expect, test } from 'vitest'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { shippedModel, Workspace } from './model-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())

test('inspect shows system, options, tokenizer and tensors of a model', async () => {
  const { code, stdout, stderr } = await runCli(['inspect', 'stories260K'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const line of [
    /^ {2}id +llama$/m,
    /^ {2}keyValueHeads +4$/m,
    /^ {2}kind +sentencepiece$/m,
    /^47 tensors, 260,032 values, 1,015\.8 KiB$/m,
    /^ {2}model\.layers\.\*\.mlp\.up_proj\.weight +× 5 {2}float32 {2}\[172, 64\] +215\.0 KiB$/m,
  ]) {
    expect(stdout).toMatch(line)
  }
  expect(stdout).not.toContain('\u001b')
})

test('inspect lists every tensor of a safetensors file, reading its header alone', async () => {
  const { stdout } = await runCli(['inspect', join(shippedModel, 'model.safetensors'), '--all'])
  expect(stdout.match(/^ {2}model\.layers\.\d\.mlp\.up_proj\.weight /gm)).toHaveLength(5)
})

test.each([
  [
    'a file that is cut off',
    () => workspace.file('cut.safetensors', readFileSync(join(shippedModel, 'model.safetensors')).subarray(0, 6000)),
    'the file may be truncated',
  ],
  ['a file shorter than its own length', () => workspace.file('short.safetensors', 'abc'), 'safetensors: 3 bytes are too few'],
  [
    'a header longer than the file',
    () => workspace.file('long.safetensors', Buffer.from('ffffffffffffff7f7b7d', 'hex')),
    'a header of',
  ],
  ['an ONNX file that is none', () => workspace.file('junk.onnx', 'junk'), 'ONNX'],
  ['a missing file', () => 'no-such.onnx', "cannot read 'no-such.onnx': there is no such file or folder"],
])('inspect refuses %s in one line', async (_name, file, problem) => {
  const { code, stdout, stderr } = await runCli(['inspect', file()])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^error: [^\n]*\n$/)
  expect(stderr).toContain(problem)
})

test('export writes a file that plain ONNX Runtime opens, and inspect shows', async () => {
  const out = join(workspace.path, 'model.onnx')
  const exported = await runCli(['export', 'stories260K', '--out', out])
  expect(exported).toEqual({ code: 0, stdout: '', stderr: expect.stringMatching(/^wrote .*model\.onnx, 1\.\d MiB\n$/) })
  const session = await InferenceSession.create(out)
  expect([session.inputNames, session.outputNames]).toEqual([['ids'], ['logits']])
  await session.release()
  const { stdout } = await runCli(['inspect', out, '--json'])
  expect(JSON.parse(stdout)).toMatchObject({
    kind: 'onnx',
    facts: { inputs: { ids: 'int32 [B, T]' }, outputs: { logits: 'float32 [B, T, 512]' } },
  })
})

test('export --external puts the weights beside the model', async () => {
  const out = join(workspace.path, 'small.onnx')
  const { code, stderr } = await runCli(['export', 'stories260K', '--out', out, '--external'])
  expect({ code, lines: stderr.match(/^wrote .*small\.onnx(\.data)?, /gm) }).toMatchObject({ code: 0, lines: { length: 2 } })
  const session = await InferenceSession.create(out)
  await session.release()
})

test('export refuses a file of another kind, and writes nothing', async () => {
  const out = join(workspace.path, 'model.bin')
  const { code, stderr } = await runCli(['export', 'stories260K', '--out', out])
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^error: cannot export to .*expected a path that ends with \.onnx\n$/),
  })
  expect(existsSync(out)).toBe(false)
})

test('doctor finds everything where the tests run, for people and for programs', async () => {
  const page = await runCli(['doctor'])
  expect(page).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/Everything needed is here\.\n$/) })
  expect(page.stdout).toMatch(/^driver +onnxruntime-c: /m)
  const { stdout } = await runCli(['doctor', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ node: { version: process.version }, runtime: { found: true }, findings: [] })
})
