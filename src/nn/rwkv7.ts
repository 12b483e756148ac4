import {
  add,
  divide,
  exp,
  matmul,
  maximum,
  mean,
  multiply,
  parameter,
  relu,
  reshape,
  sigmoid,
  slice,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
  tanh,
  type Variable,
} from '../tensor/index.ts'
import { Embedding } from './embedding.ts'
import { normal, ones, zeros } from './initializers.ts'
import { Linear, linear } from './linear.ts'
import { layerNorm, type Norm } from './norm.ts'
import { checkSizes } from './sizes.ts'

export interface Rwkv7Options {
  readonly vocabularySize: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Width of the channel mixing's middle. */
  readonly hidden: number
  /** Widths of the bottlenecks of decay, learning rate, value residual and gate. */
  readonly ranks: { readonly decay: number; readonly rate: number; readonly value: number; readonly gate: number }
}

/** What a layer remembers of a row: its last inputs `[batch, width]`, and a matrix per head `[batch, head, value, key]`. */
export interface Rwkv7State {
  readonly time: Tensor
  readonly channel: Tensor
  readonly heads: Tensor
}

const weight = normal(0.02)
const matrix = (rows: number, columns: number) => parameter([rows, columns], weight)
const channels = (width: number, initializer = zeros) => parameter([1, 1, width], initializer)
/** ε of the normalisation of heads, as published models have it. */
const headEpsilon = 64e-5

/** f(x·downᵀ)·upᵀ (+ bias), x `[batch, width]`. */
function bottleneck(
  x: Tensor,
  { down, up, bias }: { down: Variable; up: Variable; bias?: Variable },
  middle: (x: Tensor) => Tensor,
): Tensor {
  const moved = linear(middle(linear(x, down)), up)
  return bias === undefined ? moved : add(moved, reshape(bias.tensor, [1, -1]))
}

/** Time mixing: a generalised delta rule, one slot at a time. Peng et al. 2025, RWKV-7, section 4. */
class TimeMixing {
  /** How much of the last input each of receptance, decay, key, value, rate and gate takes. */
  readonly x_rwkvag: Variable
  readonly w0: Variable
  readonly w1: Variable
  readonly w2: Variable
  readonly a0: Variable
  readonly a1: Variable
  readonly a2: Variable
  readonly v0?: Variable
  readonly v1?: Variable
  readonly v2?: Variable
  readonly g1: Variable
  readonly g2: Variable
  readonly k_k: Variable
  readonly k_a: Variable
  readonly r_k: Variable
  readonly receptance: Linear
  readonly key: Linear
  readonly value: Linear
  readonly output: Linear
  readonly ln_x: HeadNorm
  readonly #heads: number

  constructor({ width, heads, ranks }: Rwkv7Options, isFirst: boolean) {
    this.#heads = heads
    this.x_rwkvag = parameter([6, 1, width], zeros)
    ;[this.w0, this.w1, this.w2] = [channels(width), matrix(ranks.decay, width), matrix(width, ranks.decay)]
    ;[this.a0, this.a1, this.a2] = [channels(width), matrix(ranks.rate, width), matrix(width, ranks.rate)]
    if (!isFirst) [this.v0, this.v1, this.v2] = [channels(width), matrix(ranks.value, width), matrix(width, ranks.value)]
    ;[this.g1, this.g2] = [matrix(ranks.gate, width), matrix(width, ranks.gate)]
    ;[this.k_k, this.k_a] = [channels(width, ones), channels(width, ones)]
    this.r_k = parameter([heads, width / heads], zeros)
    this.receptance = new Linear(width, width)
    this.key = new Linear(width, width)
    this.value = new Linear(width, width)
    this.output = new Linear(width, width)
    this.ln_x = new HeadNorm(width)
  }

  /** x `[batch, width]`; `first`: the first layer's values, which later layers mix into theirs. */
  forward(x: Tensor, { time, heads: state }: Rwkv7State, first: Tensor | undefined) {
    const [xr, xw, xk, xv, xa, xg] = this.#shifted(x, time) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
    const decay = exp(multiply(sigmoid(bottleneck(xw, { down: this.w1, up: this.w2, bias: this.w0 }, tanh)), -Math.exp(-0.5)))
    const rate = sigmoid(bottleneck(xa, { down: this.a1, up: this.a2, bias: this.a0 }, same))
    const gate = bottleneck(xg, { down: this.g1, up: this.g2 }, sigmoid)
    const value = this.#mixedValue(xv, first)
    const plain = this.key.forward(xk)
    const removal = this.#unit(multiply(plain, reshape(this.k_k.tensor, [1, -1])))
    const key = add(plain, multiply(multiply(plain, subtract(rate, 1)), reshape(this.k_a.tensor, [1, -1])))
    const receptance = this.receptance.forward(xr)
    const next = this.#advance(state, { decay, value, key, removal, rate })
    const read = matmul(next, this.#column(receptance))
    const agreement = sum(multiply(multiply(this.#split(receptance), this.#split(key)), this.r_k), -1, { keep: true })
    const bonus = reshape(multiply(agreement, this.#split(value)), x.shape)
    const mixed = add(this.ln_x.forward(reshape(read, [-1, this.#heads, headWidthOf(x, this.#heads)])), bonus)
    return { output: this.output.forward(multiply(mixed, gate)), heads: next, values: first ?? value }
  }

  /** S·diag(w) − (S·κ)(κ⊙a)ᵀ + v·kᵀ. */
  #advance(state: Tensor, parts: Readonly<Record<'decay' | 'value' | 'key' | 'removal' | 'rate', Tensor>>): Tensor {
    const { decay, value, key, removal, rate } = parts
    const removed = matmul(matmul(state, this.#column(removal)), this.#row(multiply(removal, rate)))
    return add(subtract(multiply(state, this.#row(decay)), removed), matmul(this.#column(value), this.#row(key)))
  }

  #mixedValue(x: Tensor, first: Tensor | undefined): Tensor {
    const own = this.value.forward(x)
    if (first === undefined || this.v0 === undefined) return own
    const share = sigmoid(bottleneck(x, { down: this.v1!, up: this.v2!, bias: this.v0 }, same))
    return add(own, multiply(subtract(first, own), share))
  }

  #shifted(x: Tensor, last: Tensor): Tensor[] {
    const change = subtract(last, x)
    return Array.from({ length: 6 }, (_, i) => add(x, multiply(change, reshape(slice(this.x_rwkvag, 0, i, i + 1), [1, -1]))))
  }

  /** `[batch, width]` → `[batch, head, channel]`. */
  #split(x: Tensor): Tensor {
    return reshape(x, [-1, this.#heads, headWidthOf(x, this.#heads)])
  }

  /** `[batch, width]` → `[batch, head, channel, 1]`. */
  #column(x: Tensor): Tensor {
    return reshape(x, [-1, this.#heads, headWidthOf(x, this.#heads), 1])
  }

  /** `[batch, width]` → `[batch, head, 1, channel]`. */
  #row(x: Tensor): Tensor {
    return reshape(x, [-1, this.#heads, 1, headWidthOf(x, this.#heads)])
  }

  /** Of length 1 in each head. */
  #unit(x: Tensor): Tensor {
    const heads = this.#split(x)
    return reshape(divide(heads, maximum(sqrt(sum(square(heads), -1, { keep: true })), 1e-12)), x.shape)
  }
}

const same = (x: Tensor) => x
const headWidthOf = (x: Tensor, heads: number) => (x.shape.at(-1) as number) / heads

/** Each head normalised, then scaled by channel. */
class HeadNorm {
  readonly weight: Variable
  readonly bias: Variable

  constructor(width: number) {
    this.weight = parameter([width], ones)
    this.bias = parameter([width], zeros)
  }

  /** `[batch, head, channel]` → `[batch, width]`. */
  forward(x: Tensor): Tensor {
    const centred = subtract(x, mean(x, -1, { keep: true }))
    const unit = divide(centred, sqrt(add(mean(square(centred), -1, { keep: true }), headEpsilon)))
    return add(multiply(reshape(unit, [-1, this.weight.shape[0]!]), this.weight), this.bias)
  }
}

/** Channel mixing: two linears with a squared ReLU between them, of this input and the last. */
class ChannelMixing {
  readonly x_k: Variable
  readonly key: Linear
  readonly value: Linear

  constructor({ width, hidden }: Rwkv7Options) {
    this.x_k = channels(width)
    this.key = new Linear(width, hidden)
    this.value = new Linear(hidden, width)
  }

  forward(x: Tensor, last: Tensor): Tensor {
    const shifted = add(x, multiply(subtract(last, x), reshape(this.x_k.tensor, [1, -1])))
    return this.value.forward(square(relu(this.key.forward(shifted))))
  }
}

class Layer {
  readonly ln0?: Norm
  readonly ln1: Norm
  readonly ln2: Norm
  readonly att: TimeMixing
  readonly ffn: ChannelMixing

  constructor(options: Rwkv7Options, isFirst: boolean) {
    const norm = layerNorm()
    if (isFirst) this.ln0 = norm(options.width)
    this.ln1 = norm(options.width)
    this.ln2 = norm(options.width)
    this.att = new TimeMixing(options, isFirst)
    this.ffn = new ChannelMixing(options)
  }
}

/** RWKV-7: a recurrent network whose state has a fixed size. Peng et al. 2025. Field names are those of published checkpoints. */
export class Rwkv7 {
  readonly emb: Embedding
  readonly blocks: readonly Layer[]
  readonly ln_out: Norm
  readonly head: Linear
  readonly vocabularySize: number
  readonly width: number
  readonly heads: number

  constructor(options: Rwkv7Options) {
    const { vocabularySize, width, layers, heads, hidden, ranks } = options
    checkSizes({ vocabularySize, width, layers, heads, hidden, headWidth: width / heads, ...ranks })
    this.vocabularySize = vocabularySize
    this.width = width
    this.heads = heads
    this.emb = new Embedding(vocabularySize, width)
    this.blocks = Array.from({ length: layers }, (_, i) => new Layer(options, i === 0))
    this.ln_out = layerNorm()(width)
    this.head = new Linear(width, vocabularySize)
  }

  /** Feeds one id to each row: int `[batch]` → hidden states `[batch, width]`, logits `[batch, vocabulary]`, and what to remember. */
  step(ids: Tensor, states: readonly Rwkv7State[]): { hidden: Tensor; logits: Tensor; states: Rwkv7State[] } {
    let x = this.blocks[0]!.ln0!.forward(this.emb.forward(ids))
    let first: Tensor | undefined
    const next = this.blocks.map(({ ln1, ln2, att, ffn }, i) => {
      const time = ln1.forward(x)
      const { output, heads, values } = att.forward(time, states[i]!, first)
      first = values
      x = add(x, output)
      const channel = ln2.forward(x)
      x = add(x, ffn.forward(channel, states[i]!.channel))
      return { time, channel, heads }
    })
    const hidden = this.ln_out.forward(x)
    return { hidden, logits: this.head.forward(hidden), states: next }
  }
}
