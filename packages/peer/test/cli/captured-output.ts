import { vi } from 'vitest'

/** What is printed from now on, instead of being printed; it goes back with its scope. */
export function captureOutput(stream: NodeJS.WriteStream): Disposable & { readonly text: string } {
  let text = ''
  const spy = vi.spyOn(stream, 'write').mockImplementation(chunk => {
    text += String(chunk)
    return true
  })
  return {
    get text() {
      return text
    },
    [Symbol.dispose]: () => spy.mockRestore()
  }
}
