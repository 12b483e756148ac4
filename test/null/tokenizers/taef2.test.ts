import { describe, expect, it } from 'vitest'
import { elementCount, type HostTensor } from '../../../src/base/dtype.ts'
import { FormatError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { writeSafetensors } from '../../../src/formats/index.ts'
import { namedVariables, parameterCount, parameters, readVariables, unfreeze } from '../../../src/nn/index.ts'
import { input } from '../../../src/tensor/index.ts'
import { loadTaef2, taef2 } from '../../../src/tokenizers/index.ts'

const picture = { channels: 3, height: 16, width: 24 }

/** Files whose float16 tensor number n holds the bits n. */
function numberedFiles() {
  const variables = [...namedVariables(taef2({ picture }))]
  const half = (name: string) => {
    const own = variables.filter(([path]) => path.startsWith(`${name}.`))
    return own.map(([path, { concreteShape }], n): [string, HostTensor] => [
      path.slice(name.length + 1),
      { dtype: 'float16', shape: concreteShape, data: new Uint16Array(elementCount(concreteShape)).fill(0x3c00 + n) },
    ])
  }
  return { encoder: half('encoder'), decoder: half('decoder') }
}

describe('taef2', () => {
  it('stands for 8 × 8 pixels with each of its vectors of 32', () => {
    const tokenizer = taef2({ picture })
    expect(tokenizer.layout).toEqual({ parts: [{ shape: [2, 3] }] })
    expect(tokenizer.unit).toEqual({ kind: 'vectors', dimension: 32 })
    const values = tokenizer.encode(input('x', 'float32', ['batch', 3, 16, 24]))
    expect(values.shape.slice(1)).toEqual([6, 32])
    expect(tokenizer.embed(values).shape).toEqual(values.shape)
    expect(tokenizer.decode(values, input('known', 'float32', ['batch', 6])).shape.slice(1)).toEqual([3, 16, 24])
  })

  it('has the 1.34 million weights of either half, none of which is trained', () => {
    const tokenizer = taef2({ picture })
    expect(parameters(tokenizer)).toEqual([])
    unfreeze(tokenizer)
    expect(parameterCount(tokenizer)).toBe(2_677_027)
  })

  it('takes every weight of its files by name', async () => {
    const { encoder, decoder } = numberedFiles()
    const tokenizer = await loadTaef2({ encoder: writeSafetensors(encoder), decoder: writeSafetensors(decoder) }, { picture })
    const read = await readVariables(namedVariables(tokenizer))
    for (const [half, tensors] of Object.entries({ encoder, decoder }))
      for (const [n, [name]] of tensors.entries()) expect(read.get(`${half}.${name}`)!.data[0]).toBe(1 + n / 1024)
  })

  it('is rebuilt from its JSON', () => {
    expect(taef2({ picture }).toJSON()).toEqual({ kind: 'taef2', picture, scale: 0.83 })
    const { kind: _, ...options } = taef2({ picture, scale: 2 }).toJSON()
    expect(taef2(options as never).toJSON()).toEqual({ kind: 'taef2', picture, scale: 2 })
  })

  it('refuses pictures and options that it has no use for', () => {
    expect(() => taef2({ picture: { ...picture, width: 20 } })).toThrow(OptionError)
    expect(() => taef2({ picture: { ...picture, channels: 1 } })).toThrow(OptionError)
    expect(() => taef2({ picture, scale: 0 })).toThrow(OptionError)
    expect(() => taef2({ picture, shift: 1 } as never)).toThrow(OptionError)
  })

  it('refuses broken files, and files of other networks', async () => {
    const { encoder, decoder } = numberedFiles()
    const whole = writeSafetensors(decoder)
    await expect(loadTaef2({ encoder: whole, decoder: whole }, { picture })).rejects.toThrow(MismatchError)
    const short = writeSafetensors(encoder.slice(1))
    await expect(loadTaef2({ encoder: short, decoder: whole }, { picture })).rejects.toThrow(MismatchError)
    await expect(loadTaef2({ encoder: new Uint8Array(20), decoder: whole }, { picture })).rejects.toThrow(FormatError)
  })
})
