import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSafetensors, writeSafetensors } from 'nextx/formats'
import { halfBits } from '../lib/half.ts'

// tsx bench/image/embed.ts <model folder> <folder under data/>: a trained model with its weights in 16 bits, which loading widens again.

const [from = '', to = ''] = process.argv.slice(2)
const { tensors, metadata } = readSafetensors(readFileSync(join(from, 'model.safetensors')))
const halves = new Map(
  Array.from(tensors, ([name, tensor]) => {
    if (tensor.dtype !== 'float32') return [name, tensor] as const
    const data = Uint16Array.from(tensor.data as Float32Array, halfBits)
    const lost = data.findIndex((bits) => (bits & 0x7c00) === 0x7c00)
    if (lost >= 0) throw new Error(`${name}: ${tensor.data[lost]} is too large for 16 bits`)
    return [name, { dtype: 'float16', shape: tensor.shape, data } as const] as const
  }),
)
mkdirSync(to, { recursive: true })
writeFileSync(join(to, 'model.safetensors'), writeSafetensors(halves, metadata))
cpSync(join(from, 'config.json'), join(to, 'config.json'))
