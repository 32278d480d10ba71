// Who is signed in, and in which tenant they act. Tokens are kept in memory and in this tab's sessionStorage, nowhere else,
// and renewed before they run out. Must not know what is on the page.

import { hold } from "./lock.js";
import { store } from "./store.js";

const KEY = "frontdesk.session";
// Of a token's life, how much may pass before it is renewed.
const RENEWED_AFTER = 0.8;
// How long to wait after a renewal that failed, in milliseconds.
const TRY_AGAIN_AFTER = 15_000;
// What no waiting will mend. After anything else the refresh token may still be good.
const FINAL = ["UNAUTHENTICATED", "TENANT_INACTIVE", "TENANT_REQUIRED", "FORBIDDEN"];
const PAYLOAD = "accessToken refreshToken expiresIn user { email name role tenant { id name subdomain } }";
const LOGIN = `mutation SignIn($input: LoginInput!) { answer: login(input: $input) { ${PAYLOAD} } }`;
const REFRESH = `mutation Renew($input: RefreshTokenInput!) { answer: refreshToken(input: $input) { ${PAYLOAD} } }`;
const ENDED = "Your session has ended. Sign in again.";
const COPIED = "This tab is a copy, and the session is the other's. Sign in here too.";
const LOGOUT = "mutation SignOut { answer: logout }";

/**
 * A session over `post(body, headers)`, which gives the graph's answer; `leave()` is called when whose page it was is gone.
 * What it holds: `{ user, owner, view, tenant, tab, accessToken, refreshToken, renewAt, notice }`. `user` is null when nobody
 * is signed in; `owner` is whose page it is: who was last, until they sign out or somebody else signs in. A new `view` is
 * another owner's, or of another tenant: no answer that is on the page is to stay. `tab` is a name that is this tab's alone.
 */
export function openSession(post, leave) {
  const state = store(restored());
  let renewal = null;
  let timer = null;

  const change = (changes) => {
    const { owner, tenant, view } = state.read();
    const next = { ...state.read(), ...changes };
    const hasLeft = owner && owner !== next.owner;
    if (hasLeft) leave();
    if (hasLeft || tenant?.id !== next.tenant?.id) next.view = view + 1;
    if (next.owner) sessionStorage.setItem(KEY, JSON.stringify(next));
    else sessionStorage.removeItem(KEY);
    state.write(next);
  };

  const ask = async (query, variables, headers) => {
    const { data, errors } = await post({ query, variables }, headers);
    if (errors?.length) throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions?.code });
    return data.answer;
  };

  // By the lifetime that the graph told, not by the token's own clock times: our clock may not be the server's.
  const take = ({ user, accessToken, refreshToken, expiresIn }, changes) => {
    const renewAt = Date.now() + expiresIn * 1000 * RENEWED_AFTER;
    change({ user, owner: user.email, accessToken, refreshToken, renewAt, ...changes });
    schedule();
  };

  const schedule = (pause = 0) => {
    clearTimeout(timer);
    const { user, renewAt } = state.read();
    // A longer wait than a timer can hold would be over at once.
    if (user) timer = setTimeout(renewIfDue, Math.min(Math.max(renewAt - Date.now(), pause), 2 ** 31 - 1));
  };

  const renew = () => {
    const { user, refreshToken } = state.read();
    if (!user) return undefined;
    // A refresh token is good for one use: whoever comes meanwhile waits for the same answer.
    // And who has signed out or in meanwhile is not overwritten.
    const isStill = () => state.read().refreshToken === refreshToken;
    renewal ??= ask(REFRESH, { input: { refreshToken } }, {})
      .then((payload) => isStill() && take(payload, {}))
      .catch((error) => {
        if (!isStill()) return;
        if (FINAL.includes(error.code)) change({ ...SIGNED_OUT, notice: ENDED });
        else schedule(TRY_AGAIN_AFTER);
      })
      .finally(() => (renewal = null));
    return renewal;
  };

  const renewIfDue = () => (Date.now() < state.read().renewAt ? schedule() : renew());

  // A tab that is copied has a copy of the refresh token, which is good for one use. Nothing is asked before we know.
  let isOurs = state.read().user ? hold(state.read().tab) : Promise.resolve(true);
  isOurs.then((isSo) => (isSo ? schedule() : change({ ...SIGNED_OUT, notice: COPIED })));

  return {
    read: state.read,
    watch: state.watch,
    async signIn(email, password) {
      const payload = await ask(LOGIN, { input: { email, password } }, {});
      const { owner, tenant } = state.read();
      const tab = `${KEY} ${Math.random()}`;
      isOurs = hold(tab);
      take(payload, { tab, tenant: payload.user.email === owner ? tenant : null, notice: null });
    },
    async signOut() {
      const headers = await this.headers();
      clearTimeout(timer);
      change({ ...SIGNED_OUT, owner: null, tenant: null });
      delete headers["x-tenant-id"];
      await ask(LOGOUT, {}, headers).catch(() => {});
    },
    /** To be told of each answer to what was asked with `headers()`: where the token was refused, a renewal tells why. */
    hear(answer) {
      if (isRefused(answer)) renew();
      return answer;
    },
    /** The tenant that an administrator acts in, `{ id, name, subdomain }`, or null. */
    chooseTenant: (tenant) => change({ tenant }),
    /** What every request says of its caller. */
    async headers() {
      if (await isOurs) await renewIfDue();
      const { accessToken, tenant } = state.read();
      return {
        ...(accessToken && { authorization: `Bearer ${accessToken}` }),
        ...(accessToken && tenant && { "x-tenant-id": tenant.id }),
      };
    },
  };
}

/** Whether the graph does not know a token, or does not any more; it closes sockets for that. */
const isRefused = ({ errors }) =>
  errors?.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED" || extensions?.closed === 4403);

const SIGNED_OUT = { user: null, accessToken: null, refreshToken: null, renewAt: 0, notice: null };
const NOBODY = { ...SIGNED_OUT, owner: null, view: 0, tenant: null };

function restored() {
  try {
    return { ...NOBODY, ...JSON.parse(sessionStorage.getItem(KEY)) };
  } catch {
    return NOBODY;
  }
}
