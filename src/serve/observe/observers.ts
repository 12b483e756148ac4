import type { RequestObserver, ServiceObserver } from '../observer.ts'

/** One observer that tells all of these, in their order. None: nobody is told. */
export function observers(...all: readonly ServiceObserver[]): ServiceObserver {
  return {
    begin(request) {
      return together(all.map((one) => one.begin(request)))
    },
  }
}

function together(all: readonly RequestObserver[]): RequestObserver {
  return {
    model: (name) => all.forEach((one) => void one.model(name)),
    firstToken: (milliseconds) => all.forEach((one) => void one.firstToken(milliseconds)),
    nextToken: (milliseconds) => all.forEach((one) => void one.nextToken(milliseconds)),
    tokens: (counts, waited) => all.forEach((one) => void one.tokens(counts, waited)),
    end: (outcome, code, status) => all.forEach((one) => void one.end(outcome, code, status)),
  }
}

/** The observer, whose own errors harm no request: they go to `failed`. */
export function harmless(observer: ServiceObserver, failed: (error: unknown) => void): ServiceObserver {
  const tried = <Given extends unknown[]>(tell: (...given: Given) => void) => {
    return (...given: Given) => {
      try {
        tell(...given)
      } catch (error) {
        failed(error)
      }
    }
  }
  return {
    begin(request) {
      let one: RequestObserver | undefined
      tried(() => {
        one = observer.begin(request)
      })()
      return {
        model: tried((name: string) => one?.model(name)),
        firstToken: tried((milliseconds: number) => one?.firstToken(milliseconds)),
        nextToken: tried((milliseconds: number) => one?.nextToken(milliseconds)),
        tokens: tried((...given: Parameters<RequestObserver['tokens']>) => one?.tokens(...given)),
        end: tried((...given: Parameters<RequestObserver['end']>) => one?.end(...given)),
      }
    },
  }
}
