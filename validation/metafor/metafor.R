# Pooled effects: eleven estimators, four tests, prediction, Q-profile, optima, leave-one-out, shrunken effects.

methods <- c("EE", "DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM")
blocks <- c("z", "t", "knha", "adhoc")

block <- function(fit, test, k) {
  found <- list(
    beta = c(fit$beta), se = fit$se, stat = fit$zval, pval = fit$pval, ci_lb = fit$ci.lb, ci_ub = fit$ci.ub
  )
  if (fit$method == "EE" || !(test %in% c("z", "knha"))) return(found)
  around <- function(quantile) c(fit$beta) + c(-1, 1) * quantile * sqrt(fit$tau2 + fit$se^2)
  intervals <- list(
    pi = around(if (test == "z") qnorm(0.975) else qt(0.975, k - 1)),
    pi_t = around(qt(0.975, k - 1)),
    pi_riley = around(qt(0.975, k - 2))
  )
  for (name in names(intervals)) {
    found[[paste0(name, "_lb")]] <- intervals[[name]][1]
    found[[paste0(name, "_ub")]] <- intervals[[name]][2]
  }
  found
}

one_method <- function(yi, vi, method) {
  fits <- lapply(blocks, function(test) {
    if (method != "EE") return(searched(yi, vi, method = method, test = test))
    # metafor warns that Knapp-Hartung is not meant for a common effect; the numbers are compared all the same.
    suppressWarnings(rma(yi, vi, method = method, test = test))
  })
  names(fits) <- blocks
  z <- fits$z
  found <- list(
    tau2 = z$tau2, se_tau2 = if (method == "EE") NULL else z$se.tau2,
    QE = z$QE, QEp = z$QEp, I2 = z$I2, H2 = z$H2
  )
  c(found, lapply(setNames(blocks, blocks), function(test) block(fits[[test]], test, length(yi))))
}

# The optimum of the profiled (restricted) likelihood, by a scan and a root of its slope: no iteration of metafor's.
true_optimum <- function(yi, vi, restricted) {
  pooled <- function(tau2) {
    w <- 1 / (vi + tau2)
    list(w = w, mu = sum(w * yi) / sum(w))
  }
  height <- function(tau2) {
    p <- pooled(tau2)
    0.5 * (sum(log(p$w)) - sum(p$w * (yi - p$mu)^2) - if (restricted) log(sum(p$w)) else 0)
  }
  slope <- function(tau2) {
    p <- pooled(tau2)
    0.5 * (sum((p$w * (yi - p$mu))^2) - sum(p$w) + if (restricted) sum(p$w^2) / sum(p$w) else 0)
  }
  grid <- c(0, exp(seq(log(min(vi) * 1e-4), log(100 * (max(vi) + var(yi))), length.out = 2000)))
  best <- which.max(sapply(grid, height))
  tau2 <- 0
  if (best > 1) {
    around <- grid[c(max(best - 1, 1), min(best + 1, length(grid)))]
    tau2 <- if (slope(around[1]) <= 0) 0 else uniroot(slope, around, tol = 1e-16)$root
  }
  p <- pooled(tau2)
  list(tau2 = tau2, beta = p$mu, se = 1 / sqrt(sum(p$w)))
}

profile <- function(fit) {
  found <- confint(fit, control = list(tol = 1e-14, maxiter = 20000, tau2.max = 1e4 * (max(fit$vi) + var(fit$yi))))
  rows <- c(tau2 = "tau^2", I2 = "I^2(%)", H2 = "H^2")
  lapply(rows, function(row) list(ci_lb = found$random[row, "ci.lb"], ci_ub = found$random[row, "ci.ub"]))
}

moments <- function(yi, vi) {
  weights <- list(inv_v = 1 / vi, equal = rep(1, length(vi)), inv_sqrt_v = 1 / sqrt(vi))
  lapply(weights, function(w) {
    fit <- rma(yi, vi, weights = w, method = "GENQ")
    list(tau2 = fit$tau2, se_tau2 = fit$se.tau2)
  })
}

dataset <- function(given) {
  yi <- given$yi
  vi <- given$vi
  reml <- lapply(c(REML_z = "z", REML_knha = "knha"), function(test) {
    rma(yi, vi, method = "REML", test = test, control = tight) # what refits subsets must end on all of them
  })
  list(
    fits = lapply(setNames(methods, methods), function(method) one_method(yi, vi, method)),
    q_profile = profile(reml$REML_z),
    moments = moments(yi, vi),
    true_optimum = list(REML = true_optimum(yi, vi, TRUE), ML = true_optimum(yi, vi, FALSE)),
    leave_one_out = lapply(reml, function(fit) as.list(leave1out(fit))[c("estimate", "se", "tau2")]),
    blup = lapply(reml, function(fit) {
      found <- blup(fit)
      list(pred = found$pred, se = found$se, pi_lb = found$pi.lb, pi_ub = found$pi.ub)
    })
  )
}

remake <- function(reference, load) list(datasets = lapply(reference$datasets, dataset))
