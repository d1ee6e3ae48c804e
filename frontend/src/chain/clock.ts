let offsetMs = 0

/** Sets the page's clock by the service's, so that deadlines count down the same for everybody. */
export function setServerTime(serverTime: string) {
  const server = Date.parse(serverTime)
  if (Number.isFinite(server)) offsetMs = server - Date.now()
}

/** Milliseconds by the service's clock. */
export const serverNowMs = () => Date.now() + offsetMs

/** Unix seconds by the service's clock. */
export const serverNow = () => Math.floor(serverNowMs() / 1000)
