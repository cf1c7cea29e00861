# What the topics share: settings, reading, comparing and writing. One topic is one file beside this one; it defines
# `remake(reference, load)`, which returns the numbers of tests/references/<topic>.json in the shape they have there.

tight <- list(threshold = 1e-11, tol = 1e-12, maxiter = 20000)

# What `compute` makes of the smallest step at which every search of it still ends: on some data rounding keeps a
# search moving for ever.
at_tightest <- function(compute, complete) {
  for (threshold in 10^-(16:12)) {
    control <- modifyList(tight, list(threshold = threshold, maxiter = 5000))
    found <- tryCatch(suppressWarnings(compute(control)), error = function(e) NULL)
    if (!is.null(found) && complete(found)) return(found)
  }
  compute(tight)
}

# R2 is missing where the search of the model without moderators did not end.
searched <- function(...) {
  at_tightest(function(control) rma(..., control = control), function(fit) !anyNA(fit$R2))
}

named <- function(names) setNames(names, names)

# Names of the reference <- names of metafor.
take <- function(object, names) lapply(names, function(name) c(unlist(unclass(object)[[name]], use.names = FALSE)))

# Next to zero a relative difference says nothing: below this size differences are absolute, in units of the size.
# I2 is in percent; p-values are compared relatively however small they are.
near_zero <- function(path) {
  name <- sub("^.* ", "", path)
  if (grepl("(p|pval)$", name)) return(.Machine$double.xmin)
  if (name == "I2") 1 else 1e-3
}

differs <- function(old, new, path) {
  if (is.null(old) && all(is.na(new))) return(0)
  if (length(old) != length(new) || any(is.na(old) != is.na(new))) return(Inf)
  if (!is.numeric(old) || !is.numeric(new)) return(if (identical(c(old), c(new)) || all(is.na(old))) 0 else Inf)
  found <- abs(c(old) - c(new)) / pmax(abs(c(old)), near_zero(path))
  max(0, found, na.rm = TRUE)
}

# One row per number or array that was remade; what the topic returns must exist in the reference.
differences <- function(old, new, path) {
  if (!is.list(new)) return(data.frame(path = path, difference = differs(old, new, path), count = length(new)))
  keys <- if (is.null(names(new))) seq_along(new) else names(new)
  keys <- Filter(function(key) !is.null(new[[key]]), keys)
  do.call(rbind, lapply(keys, function(key) {
    if (is.numeric(key) && key > length(old)) stop("not in the reference: ", path, " ", key)
    differences(old[[key]], new[[key]], paste(path, key))
  }))
}

# The file as it was, with the remade numbers in their places: arrays of one stay arrays, what was not remade stays.
replaced <- function(raw, new) {
  if (is.null(new)) return(raw)
  if (is.list(new)) {
    keys <- if (is.null(names(new))) seq_along(new) else names(new)
    for (key in keys) if (!is.null(new[[key]])) raw[[key]] <- replaced(raw[[key]], new[[key]])
    return(raw)
  }
  if (is.matrix(new)) return(lapply(seq_len(nrow(new)), function(i) as.list(new[i, ])))
  if (is.list(raw)) as.list(c(new)) else c(new)
}

rewrite <- function(path, new) {
  raw <- replaced(fromJSON(path, simplifyVector = FALSE), new)
  raw$meta$R <- R.version.string
  raw$meta$metafor <- as.character(packageVersion("metafor"))
  raw$meta$jsonlite <- as.character(packageVersion("jsonlite"))
  writeLines(toJSON(raw, digits = I(15), auto_unbox = TRUE, na = "null", null = "null"), path)
}

# Variances theta at the maximum of the (restricted) likelihood of yi ~ N(X beta, V + sum theta_j B_j), by Fisher
# scoring from a start beside it: metafor's optimisers stop by the height of the likelihood, which is flat there.
optimum <- function(yi, V, X, parts, theta, method) {
  for (step in 1:200) {
    W <- solve(V + Reduce(`+`, Map(`*`, theta, parts)))
    P <- W - W %*% X %*% solve(t(X) %*% W %*% X, t(X) %*% W)
    residual <- c(P %*% yi)
    spread <- lapply(parts, function(B) (if (method == "REML") P else W) %*% B)
    slope <- mapply(function(B, S) sum(residual * (B %*% residual)) - sum(diag(S)), parts, spread) / 2
    information <- outer(seq_along(parts), seq_along(parts), Vectorize(function(i, j) {
      sum(spread[[i]] * t(spread[[j]])) / 2
    }))
    move <- solve(information, slope)
    theta <- theta + move
    if (max(abs(move)) < 1e-14) return(theta)
  }
  stop("no optimum found")
}
