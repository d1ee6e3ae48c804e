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

/** How far this clock may be behind the service's: it tells whole seconds, and its answer takes time to arrive. */
export const CLOCK_SLACK_SECONDS = 5
